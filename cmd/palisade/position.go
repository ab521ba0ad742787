package main

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
)

// position finds where in a source a mistake's path stands. A path to something that is not there is at
// the nearest thing around it that is.
func position(source []byte, path string) (line, column int) {
	file, err := parser.ParseBytes(source, 0)
	if err != nil {
		return 1, 1
	}
	for path != "" && path != "$" {
		if p, err := yaml.PathString(path); err == nil {
			if node, err := p.FilterFile(file); err == nil && node != nil {
				at := node.GetToken().Position
				return at.Line, at.Column
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1, 1
}

// syntaxPosition finds where a YAML error stands.
func syntaxPosition(err error) (line, column int) {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		at := e.GetToken().Position
		return at.Line, at.Column
	}
	return 1, 1
}
