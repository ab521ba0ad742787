package openloop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// conn is a connection that never blocks, with at most one request under way.
type conn struct {
	file    *os.File // keeps fd open
	fd      int
	request int // number of the request that is under way; -1 if none is
	broken  bool
	got     int // bytes of the answer so far
	buffer  [16 << 10]byte
}

var (
	errClosed     = errors.New("the connection was closed")
	errTooLong    = errors.New("the answer is too long")
	errUnasked    = errors.New("an answer that nobody asked for")
	errNotWritten = errors.New("the request does not fit into the connection's buffer")
	errNoLength   = errors.New("the answer has no content-length")
)

func dial(ctx context.Context, address string) (*conn, error) {
	dialed, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer dialed.Close() // file is another descriptor of the same connection
	file, err := dialed.(*net.TCPConn).File()
	if err != nil {
		return nil, err
	}
	c := &conn{file: file, fd: int(file.Fd()), request: -1}
	if err := syscall.SetNonblock(c.fd, true); err != nil { // which Fd has undone
		file.Close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() { c.file.Close() }

func (c *conn) write(request []byte) error {
	n, err := syscall.Write(c.fd, request)
	if err == nil && n < len(request) {
		err = errNotWritten
	}
	return err
}

// read takes what has come. The status is that of the whole answer.
func (c *conn) read() (status int, whole bool, err error) {
	n, err := syscall.Read(c.fd, c.buffer[c.got:])
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, errClosed
	case c.request < 0:
		return 0, false, errUnasked
	}
	c.got += n
	status, whole, err = parse(c.buffer[:c.got])
	if whole {
		c.got = 0
	} else if err == nil && c.got == len(c.buffer) {
		err = errTooLong
	}
	return status, whole, err
}

var (
	lineEnd       = []byte("\r\n")
	headEnd       = []byte("\r\n\r\n")
	version       = []byte("HTTP/1.1 ")
	contentLength = []byte("content-length")
)

// parse reads an answer with a content-length, which may not have come in whole yet.
func parse(answer []byte) (status int, whole bool, err error) {
	head, body, found := bytes.Cut(answer, headEnd)
	if !found {
		return 0, false, nil
	}
	line, headers, _ := bytes.Cut(head, lineEnd)
	code, found := bytes.CutPrefix(line, version)
	if !found || len(code) < 3 {
		return 0, false, fmt.Errorf("not an answer: %q", line)
	}
	if status, err = strconv.Atoi(string(code[:3])); err != nil {
		return 0, false, err
	}
	for len(headers) > 0 {
		line, headers, _ = bytes.Cut(headers, lineEnd)
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, contentLength) {
			continue
		}
		length, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		if err == nil && len(body) > length {
			err = errUnasked
		}
		return status, err == nil && len(body) == length, err
	}
	return 0, false, errNoLength
}
