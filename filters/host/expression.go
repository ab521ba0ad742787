package host

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// Expression is a CEL expression compiled by Envoy's engine over its attributes (foreign functions
// expr_create and expr_evaluate). It belongs to the plugin that compiled it.
type Expression uint32

// Errors of expressions.
var (
	ErrExpression     = errors.New("the host's CEL engine does not accept the expression")
	ErrNotEvaluated   = errors.New("the expression did not come to true or false")
	ErrNoText         = errors.New("the expression did not come to a string, number or other value that CEL makes a string of")
	errNoExpressionID = errors.New("host: expr_create gave no token")
)

// CompileExpression compiles an expression, which is to come to true or false. It is tried on its own
// first, so that one which is only half an expression cannot use what is added: a conditional, to which a
// value that is no bool is an error. (A comparison with true would do for ALLOW, but Envoy's engine calls
// values of different types unequal, and a DENY must not pass over what cannot be evaluated.)
func CompileExpression(h Host, text string) (Expression, error) {
	return compile(h, text, BoolExpression(text))
}

// CompileTextExpression compiles an expression which is to come to something that CEL makes a string of: a string, number,
// bool, timestamp, duration or bytes. What expr_evaluate gives for other values would do for no key: Envoy serialises a map
// in whatever order it is, request.headers with the request's own ID.
func CompileTextExpression(h Host, text string) (Expression, error) {
	return compile(h, text, TextExpression(text))
}

func compile(h Host, text, wrapped string) (Expression, error) {
	if _, err := h.Call("expr_create", []byte(text)); err != nil {
		return 0, ErrExpression
	}
	token, err := h.Call("expr_create", []byte(wrapped))
	switch {
	case err != nil:
		return 0, ErrExpression
	case len(token) != 4:
		return 0, errNoExpressionID
	}
	return Expression(binary.LittleEndian.Uint32(token)), nil
}

// BoolExpression is how an expression is given to the engine. The line break ends a comment.
func BoolExpression(text string) string { return "(" + text + "\n) ? true : false" }

// TextExpression is the same for a text.
func TextExpression(text string) string { return "string(" + text + "\n)" }

// EvaluateExpression evaluates an expression on the request at hand. An attribute or header that is not
// there is an error, unless the expression asks with has() or `in`.
func EvaluateExpression(h Host, e Expression) (bool, error) {
	result, err := h.Call("expr_evaluate", binary.LittleEndian.AppendUint32(nil, uint32(e)))
	if err != nil || len(result) != 1 || result[0] > 1 {
		return false, ErrNotEvaluated
	}
	return result[0] == 1, nil
}

// EvaluateText evaluates an expression of CompileTextExpression.
func EvaluateText(h Host, e Expression) (string, error) {
	result, err := h.Call("expr_evaluate", binary.LittleEndian.AppendUint32(nil, uint32(e)))
	if err != nil {
		return "", ErrNoText
	}
	return unsafe.String(unsafe.SliceData(result), len(result)), nil
}
