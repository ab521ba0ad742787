package coreruleset_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/e2e/coreruleset"
)

// serveBackend listens for what Envoy hands on, and returns its port. It takes any request as it is: the server of net/http would
// itself refuse some of those that Envoy lets pass.
func serveBackend(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				for reader := bufio.NewReader(connection); answer(reader, connection) == nil; {
				}
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// answer reads a request and answers it.
func answer(r *bufio.Reader, w io.Writer) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) != 3 {
		return fmt.Errorf("request line %q", line)
	}
	body, chunked := io.Reader(strings.NewReader("")), false
	for {
		field, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, isField := strings.Cut(strings.TrimSpace(field), ":")
		if !isField {
			break
		}
		switch strings.ToLower(name) {
		case "content-length":
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return err
			}
			body = io.LimitReader(r, n)
		case "transfer-encoding":
			body, chunked = httputil.NewChunkedReader(r), true
		}
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if chunked { // Envoy hands on no trailers, but the line behind them
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	status, headers, text := coreruleset.Answer(words[0], words[1], content)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\ncontent-length: %d\r\n", status, http.StatusText(status), len(text))
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	if words[0] != http.MethodHead {
		b.Write(text)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
