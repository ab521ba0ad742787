package ratelimit

import (
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/config"
)

// Expressions is an engine of CEL: in a proxy, the proxy's own.
type Expressions interface {
	// Compile gives the id of an expression that is to come to a text.
	Compile(text string) (id uint32, err error)
	// Evaluate evaluates an expression on the request at hand. A text that is empty is one, and no error.
	Evaluate(id uint32) (text string, err error)
}

// expression is a part of a key in CEL. If it cannot be evaluated, the part is not missing: whoever makes it fail, or a host
// that does, would else choose onMissingKey.
type expression struct {
	text string
	path string // where it stands, for what only Compile can find wrong
	id   uint32
}

// maxExpression bounds the bytes of one: it is evaluated for each request.
const maxExpression = 4096

func (x *expression) check(n config.Node) {
	x.path = n.Path()
	switch {
	case strings.TrimSpace(x.text) == "":
		n.Mistake("found no expression after cel:")
	case len(x.text) > maxExpression:
		n.Mistake("found an expression of " + strconv.Itoa(len(x.text)) + " bytes, expected at most " + strconv.Itoa(maxExpression))
	}
}

// compileExpressions has the engine compile what keys have of CEL. The error is config.Mistakes.
func (l *Limiter) compileExpressions() error {
	var mistakes config.Mistakes
	for i := range l.limits {
		for j := range l.limits[i].Key {
			k := &l.limits[i].Key[j]
			if k.kind != keyCEL {
				continue
			}
			var err error
			if k.cel.id, err = l.expressions.Compile(k.cel.text); err != nil {
				mistakes = append(mistakes, config.Mistake{Path: k.cel.path, What: "found \"cel:" + k.cel.text + "\": " + err.Error()})
			}
		}
	}
	if mistakes != nil {
		return mistakes
	}
	return nil
}
