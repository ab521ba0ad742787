package coreruleset

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"text/template"

	"github.com/goccy/go-yaml"
)

// Input is how a test describes its request.
type Input struct {
	Method   *string       `yaml:"method"`
	URI      *string       `yaml:"uri"`
	Version  *string       `yaml:"version"`
	Headers  yaml.MapSlice `yaml:"headers"`
	Data     string        `yaml:"data"`
	Encoded  string        `yaml:"encoded_request"`
	Complete *bool         `yaml:"autocomplete_headers"`
}

// Request is what go-ftw would send.
type Request struct {
	Method, Target, Version string
	Headers                 [][2]string
	Body                    []byte

	// Raw is all of the request instead, if a test has it byte by byte.
	Raw []byte
}

// Bytes is the request on the wire.
func (r *Request) Bytes() []byte {
	if r.Raw != nil {
		return r.Raw
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", r.Method, r.Target, r.Version)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes()
}

// Request makes of the description what go-ftw would send.
func (i *Input) Request() (*Request, error) {
	if i.Encoded != "" {
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(i.Encoded), ""))
		if err != nil {
			return nil, fmt.Errorf("coreruleset: encoded_request: %w", err)
		}
		return &Request{Raw: raw}, nil
	}
	r := &Request{Method: or(i.Method, "GET"), Target: or(i.URI, "/"), Version: or(i.Version, "HTTP/1.1")}
	contentType := ""
	sized, connection := false, false
	for _, h := range i.Headers {
		name, value := fmt.Sprint(h.Key), fmt.Sprint(h.Value)
		r.Headers = append(r.Headers, [2]string{name, value})
		switch strings.ToLower(name) {
		case "content-type":
			contentType = value
		case "content-length":
			sized = true
		case "connection":
			connection = true
		}
	}
	data := expandTemplate(i.Data)
	complete := i.Complete == nil || *i.Complete
	if data != "" && complete {
		if contentType == "" {
			contentType = "application/x-www-form-urlencoded"
			r.Headers = append(r.Headers, [2]string{"Content-Type", contentType})
		}
		if contentType == "application/x-www-form-urlencoded" {
			data = encodeForm(data)
		}
	}
	if strings.HasPrefix(contentType, "multipart/form-data;") {
		data = strings.ReplaceAll(data, "\n", "\r\n")
	}
	r.Body = []byte(data)
	if complete {
		if !connection {
			r.Headers = append(r.Headers, [2]string{"Connection", "close"})
		}
		hasBody := r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" || r.Method == "DELETE"
		if !sized && (data != "" || hasBody) {
			r.Headers = append(r.Headers, [2]string{"Content-Length", strconv.Itoa(len(data))})
		}
	}
	return r, nil
}

// encodeForm escapes data that is not escaped yet.
func encodeForm(data string) string {
	if plain, err := url.QueryUnescape(data); err != nil || plain != data {
		return data
	}
	pairs := strings.Split(strings.TrimSuffix(data, "&"), "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		pairs[i] = url.QueryEscape(name)
		if ok {
			pairs[i] += "=" + url.QueryEscape(value)
		}
	}
	return strings.Join(pairs, "&")
}

// expandTemplate fills in what a few tests write as a template of Go.
func expandTemplate(data string) string {
	if !strings.Contains(data, "{{") {
		return data
	}
	repeat := func(n int, s string) string { return strings.Repeat(s, n) }
	t, err := template.New("").Funcs(template.FuncMap{"repeat": repeat}).Parse(data)
	if err != nil {
		return data
	}
	var out strings.Builder
	if t.Execute(&out, nil) != nil {
		return data
	}
	return out.String()
}

func or(s *string, def string) string {
	if s == nil {
		return def
	}
	return *s
}
