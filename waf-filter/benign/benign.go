// Package benign has requests that nobody means any harm with, as browsers and clients of APIs send them.
package benign

import (
	_ "embed"
	"strconv"

	"github.com/goccy/go-yaml"
)

//go:embed benign.yaml
var text []byte

// Request is one of them.
type Request struct {
	Method  string            `yaml:"method"` // default: GET
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"` // beside those that Header has
	Type    string            `yaml:"type"`    // of Body
	Body    string            `yaml:"body"`    // or one of
	JSON    string            `yaml:"json"`
	Form    string            `yaml:"form"`
}

// Load gives all of them, with Method, Type and Body.
func Load() ([]Request, error) {
	var list []Request
	if err := yaml.UnmarshalWithOptions(text, &list, yaml.Strict()); err != nil {
		return nil, err
	}
	for i := range list {
		r := &list[i]
		if r.Method == "" {
			r.Method = "GET"
		}
		switch {
		case r.JSON != "":
			r.Type, r.Body = "application/json", r.JSON
		case r.Form != "":
			r.Type, r.Body = "application/x-www-form-urlencoded", r.Form
		}
	}
	return list, nil
}

// Header gives the request's headers, in which those of every client are, too.
func (r *Request) Header() [][2]string {
	headers := [][2]string{{"user-agent", "Mozilla/5.0"}, {"accept", "*/*"}}
	if r.Type != "" {
		headers = append(headers, [2]string{"content-type", r.Type}, [2]string{"content-length", strconv.Itoa(len(r.Body))})
	}
	for name, value := range r.Headers {
		headers = append(headers, [2]string{name, value})
	}
	return headers
}
