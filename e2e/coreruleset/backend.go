package coreruleset

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// Answer is what the suite's own backend answers (github.com/coreruleset/albedo): what a POST to /reflect asks for, else
// nothing.
func Answer(method, target string, body []byte) (status int, headers [][2]string, answer []byte) {
	path, _, _ := strings.Cut(target, "?")
	if method != "POST" || path != "/reflect" && !strings.HasPrefix(path, "/reflect/") {
		return 200, nil, nil
	}
	var spec struct {
		Status      int               `json:"status"`
		Headers     map[string]string `json:"headers"`
		Body        string            `json:"body"`
		EncodedBody []byte            `json:"encodedBody"`
	}
	if json.Unmarshal(body, &spec) != nil {
		return 400, [][2]string{{"content-type", "text/plain; charset=utf-8"}}, []byte("Invalid JSON in request body")
	}
	if status = spec.Status; status == 0 {
		status = 200
	}
	if answer = []byte(spec.Body); len(answer) == 0 {
		answer = spec.EncodedBody
	}
	typed := false
	for name, value := range spec.Headers {
		headers = append(headers, [2]string{strings.ToLower(name), value})
		typed = typed || strings.EqualFold(name, "content-type")
	}
	if !typed && len(answer) > 0 {
		headers = append(headers, [2]string{"content-type", http.DetectContentType(answer)})
	}
	return status, headers, answer
}

// Serve answers so until the listener is closed. It takes any request as it is: the server of net/http would itself refuse some of
// those that Envoy lets pass.
func Serve(listener net.Listener) {
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
	status, headers, text := Answer(words[0], words[1], content)
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
