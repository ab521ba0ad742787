package host

import (
	"encoding/binary"
	"errors"
)

// Expression is a CEL expression compiled by Envoy's engine over its attributes (foreign functions
// expr_create and expr_evaluate). It belongs to the plugin that compiled it.
type Expression uint32

// Errors of expressions.
var (
	ErrExpression     = errors.New("the host's CEL engine does not accept the expression")
	ErrNotEvaluated   = errors.New("the expression did not come to true or false")
	errNoExpressionID = errors.New("host: expr_create gave no token")
)

// CompileExpression compiles an expression, which is to come to true or false. It is tried on its own
// first, so that one which is only half an expression cannot use what is added: a conditional, to which a
// value that is no bool is an error. (A comparison with true would do for ALLOW, but Envoy's engine calls
// values of different types unequal, and a DENY must not pass over what cannot be evaluated.)
func CompileExpression(h Host, text string) (Expression, error) {
	if _, err := h.Call("expr_create", []byte(text)); err != nil {
		return 0, ErrExpression
	}
	token, err := h.Call("expr_create", []byte(BoolExpression(text)))
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

// EvaluateExpression evaluates an expression on the request at hand. An attribute or header that is not
// there is an error, unless the expression asks with has() or `in`.
func EvaluateExpression(h Host, e Expression) (bool, error) {
	result, err := h.Call("expr_evaluate", binary.LittleEndian.AppendUint32(nil, uint32(e)))
	if err != nil || len(result) != 1 || result[0] > 1 {
		return false, ErrNotEvaluated
	}
	return result[0] == 1, nil
}
