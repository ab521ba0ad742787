// Package net, for filters: addresses and their parsing come from the standard library's own files, which the
// toolchain puts next to this one. A filter cannot open a socket; everything that would is an error.
package net

import (
	"errors"
	"internal/bytealg"
	"time"
)

// ErrClosed is the error of a closed connection.
var ErrClosed = errors.New("net: use of closed network connection")

var errNoNetwork = errors.New("net: a filter has no network")

// An Error is a network error, as in the standard library.
type Error interface {
	error
	Timeout() bool
	Temporary() bool
}

// Addr is the address of an endpoint.
type Addr interface {
	Network() string
	String() string
}

// Conn is never implemented here; other packages name it in their signatures.
type Conn interface {
	Read(b []byte) (n int, err error)
	Write(b []byte) (n int, err error)
	Close() error
	LocalAddr() Addr
	RemoteAddr() Addr
	SetDeadline(t time.Time) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Listener is never implemented here either.
type Listener interface {
	Accept() (Conn, error)
	Close() error
	Addr() Addr
}

// ParseError is the error type of the literal address parsers.
type ParseError struct{ Type, Text string }

func (e *ParseError) Error() string   { return "invalid " + e.Type + ": " + e.Text }
func (e *ParseError) Timeout() bool   { return false }
func (e *ParseError) Temporary() bool { return false }

// AddrError is an error in an address.
type AddrError struct{ Err, Addr string }

func (e *AddrError) Error() string {
	if e.Addr == "" {
		return e.Err
	}
	return "address " + e.Addr + ": " + e.Err
}
func (e *AddrError) Timeout() bool   { return false }
func (e *AddrError) Temporary() bool { return false }

// DNSError is the error of every lookup.
type DNSError struct{ Err, Name string }

func (e *DNSError) Error() string   { return "lookup " + e.Name + ": " + e.Err }
func (e *DNSError) Timeout() bool   { return false }
func (e *DNSError) Temporary() bool { return false }

// Dial always fails.
func Dial(network, address string) (Conn, error) { return nil, errNoNetwork }

// LookupHost always fails.
func LookupHost(host string) ([]string, error) {
	return nil, &DNSError{Err: errNoNetwork.Error(), Name: host}
}

// JoinHostPort combines host and port; an IPv6 host gets brackets.
func JoinHostPort(host, port string) string {
	if bytealg.IndexByteString(host, ':') >= 0 {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// SplitHostPort splits "host:port", "[host]:port" or "[host%zone]:port".
func SplitHostPort(hostport string) (host, port string, err error) {
	fail := func(why string) (string, string, error) {
		return "", "", &AddrError{Err: why, Addr: hostport}
	}
	colon := -1
	for i := len(hostport) - 1; i >= 0 && colon < 0; i-- {
		if hostport[i] == ':' {
			colon = i
		}
	}
	if colon < 0 {
		return fail("missing port in address")
	}
	host, port = hostport[:colon], hostport[colon+1:]
	if len(host) > 0 && host[0] == '[' {
		end := bytealg.IndexByteString(hostport, ']')
		switch {
		case end < 0:
			return fail("missing ']' in address")
		case end+1 == len(hostport):
			return fail("missing port in address")
		case end+1 != colon && hostport[end+1] == ':':
			return fail("too many colons in address")
		case end+1 != colon:
			return fail("missing port in address")
		}
		host = hostport[1:end]
	} else if bytealg.IndexByteString(host, ':') >= 0 {
		return fail("too many colons in address")
	}
	for _, part := range [2]string{host, port} {
		if bytealg.IndexByteString(part, '[') >= 0 {
			return fail("unexpected '[' in address")
		}
		if bytealg.IndexByteString(part, ']') >= 0 {
			return fail("unexpected ']' in address")
		}
	}
	return host, port, nil
}
