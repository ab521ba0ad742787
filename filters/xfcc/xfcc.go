// Package xfcc reads x-forwarded-client-cert, by which Envoy tells the next hop whose certificate it saw
// (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert).
//
// It takes what Envoy writes, and nothing else: what names a caller must be read in one way only.
//
// Envoy quotes Subject, Cert and Chain, but up to 1.40 it writes the names in a certificate as they are, whatever its
// documentation says. So a URI with a ';' forges a pair, and one with a ',' an element, and no reader can tell. Authorities
// that sign such names cannot be trusted with this header; where one element is expected, demand one.
package xfcc

import (
	"strconv"
	"strings"
)

// Header is the header's name.
const Header = "x-forwarded-client-cert"

// Bounds of a header.
const (
	// MaxLength is Envoy's default for all headers of a request together (max_request_headers_kb).
	MaxLength = 60 << 10
	// MaxElements is far more proxies than a request passes.
	MaxElements = 32
)

// Element is what one proxy said about its client. Values are as Envoy wrote them, without their quotes; they refer to
// the header's memory.
type Element struct {
	By      []string // URI names of the proxy's own certificate
	Hash    string   // SHA-256 of the client's certificate, 64 digits in lower case
	Cert    string   // the client's certificate, and
	Chain   string   // all that it sent, as percent-encoded PEM
	Subject string   // as in RFC 2253, whose backslashes are still there
	URIs    []string // URI names of the client's certificate; Envoy writes an empty one if there is none
	DNS     []string // DNS names of the client's certificate
}

// Error says what is wrong with a header, and where.
type Error struct {
	Offset  int // in bytes
	Message string
}

func (e *Error) Error() string {
	return "xfcc: byte " + strconv.Itoa(e.Offset) + ": " + e.Message
}

// Parse reads a header's value. The last element is that of the proxy that was asked last.
func Parse(header string) ([]Element, error) {
	if len(header) > MaxLength {
		return nil, &Error{MaxLength, "the header is longer than 60 KiB"}
	}
	p := parser{text: header}
	var elements []Element
	for {
		if len(elements) == MaxElements {
			return nil, p.fail("there are more than 32 elements")
		}
		element, err := p.element()
		if err != nil {
			return nil, err
		}
		elements = append(elements, element)
		if p.at == len(header) {
			return elements, nil
		}
		p.at++ // the comma
	}
}

// The keys, in the order in which Envoy writes them.
var keys = [...]string{"By", "Hash", "Cert", "Chain", "Subject", "URI", "DNS"}

const (
	keyBy = iota
	keyHash
	keyCert
	keyChain
	keySubject
	keyURI
	keyDNS
)

type parser struct {
	text   string
	at     int
	values []string
}

// element reads up to the next comma or the end.
func (p *parser) element() (Element, error) {
	var e Element
	last := -1
	for {
		start := p.at
		name, err := p.key()
		if err != nil {
			return e, err
		}
		which, err := known(name, start)
		if err != nil {
			return e, err
		}
		if which >= 0 {
			if which < last {
				return e, &Error{start, name + " comes after " + keys[last] + ", which Envoy writes later"}
			}
			if which == last && which != keyBy && which != keyURI && which != keyDNS {
				return e, &Error{start, name + " is repeated"}
			}
			last = which
		}
		start = p.at
		value, quoted, err := p.value()
		if err != nil {
			return e, err
		}
		if err := p.set(&e, which, start, value, quoted); err != nil {
			return e, err
		}
		if p.at == len(p.text) || p.text[p.at] == ',' {
			return e, nil
		}
		p.at++ // the semicolon
	}
}

// key reads a key and its '='.
func (p *parser) key() (string, error) {
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_':
		case c == '=' && p.at > start:
			p.at++
			return p.text[start : p.at-1], nil
		case c == '=':
			return "", p.fail("a key is missing before '='")
		case (c == ',' || c == ';') && p.at == start:
			return "", p.fail("an element or a pair is empty")
		case c == ',' || c == ';':
			return "", p.fail("a pair has no '='")
		default:
			return "", p.fail("a key has a character other than letters, digits, '-' and '_'")
		}
	}
	if p.at == start {
		return "", p.fail("an element or a pair is empty")
	}
	return "", p.fail("a pair has no '='")
}

// known finds a key, -1 if it is none of Envoy's. Envoy's documentation says that keys ignore case, but Envoy writes them
// in one way, so another is somebody else's.
func known(name string, at int) (int, error) {
	for i, k := range keys {
		if name == k {
			return i, nil
		}
		if strings.EqualFold(name, k) {
			return 0, &Error{at, name + " is not how Envoy writes " + k}
		}
	}
	return -1, nil
}

// value reads a value up to the ',' or ';' after it, or the end.
func (p *parser) value() (value string, quoted bool, err error) {
	if p.at < len(p.text) && p.text[p.at] == '"' {
		value, err = p.quoted()
		return value, true, err
	}
	start := p.at
	for ; p.at < len(p.text); p.at++ {
		c := p.text[p.at]
		if c == ',' || c == ';' {
			break
		}
		if c == '"' {
			return "", false, p.fail("a quote inside a value that does not start with one")
		}
		if !printable(c) {
			return "", false, p.fail("a control character or a byte outside of ASCII")
		}
	}
	return p.text[start:p.at], false, nil
}

// quoted reads a quoted value. A backslash escapes whatever comes next: Envoy quotes a subject as RFC 2253 writes it, in
// which every backslash is doubled, so an even number of them before a quote does not escape it.
func (p *parser) quoted() (string, error) {
	open := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; {
		case c == '\\':
			p.at++
			if p.at < len(p.text) && !printable(p.text[p.at]) {
				return "", p.fail("a control character or a byte outside of ASCII")
			}
		case c == '"':
			value := p.text[open+1 : p.at]
			p.at++
			if p.at < len(p.text) && p.text[p.at] != ',' && p.text[p.at] != ';' {
				return "", p.fail("something follows a closing quote")
			}
			return value, nil
		case !printable(c):
			return "", p.fail("a control character or a byte outside of ASCII")
		}
	}
	return "", &Error{open, "a quote is not closed"}
}

// set stores a value that starts at an offset.
func (p *parser) set(e *Element, which, at int, value string, quoted bool) error {
	switch which {
	case keySubject, keyCert, keyChain:
		if !quoted {
			return &Error{at, keys[which] + " is not quoted"}
		}
	case keyHash:
		if quoted || !isDigest(value) {
			return &Error{at, "Hash is not 64 hexadecimal digits in lower case"}
		}
	case keyBy, keyURI, keyDNS:
		// Envoy's documentation says that it quotes these as well; one day it may.
		if quoted && strings.IndexByte(value, '\\') >= 0 {
			return &Error{at, keys[which] + " has a backslash"}
		}
	}
	switch which {
	case keyBy:
		e.By = p.add(e.By, value)
	case keyHash:
		e.Hash = value
	case keyCert:
		e.Cert = value
	case keyChain:
		e.Chain = value
	case keySubject:
		e.Subject = value
	case keyURI:
		e.URIs = p.add(e.URIs, value)
	case keyDNS:
		e.DNS = p.add(e.DNS, value)
	}
	return nil
}

// add appends to a list of values. Values of one key come one after the other, so that all lists share an array.
func (p *parser) add(list []string, value string) []string {
	p.values = append(p.values, value)
	end := len(p.values)
	return p.values[end-len(list)-1 : end : end]
}

func (p *parser) fail(message string) error { return &Error{p.at, message} }

func printable(c byte) bool { return c >= 0x20 && c < 0x7f }

func isDigest(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}
