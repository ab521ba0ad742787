package coreruleset

import (
	"encoding/json"
	"net/http"
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
