// Package attribute reads what other filters of Envoy left in a request's metadata, such as the claims that jwt_authn found.
//
// Envoy gives a filter any single value of it as an attribute, but without its type: 42 and the string
// "\u0000\u0000\u0000\u0000\u0000\u0000E@" are the same eight bytes, and so are 10.1 and "333333$@". The attribute
// "metadata" alone is a whole protobuf message, envoy.config.core.v3.Metadata, in which every value has its type. This
// reads the values in it, without copying them.
package attribute

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/palisade-mesh/palisade/filters/wire"
)

// Property is Envoy's attribute with the metadata of all filters.
var Property = []string{"metadata"}

// JWTAuthn is the name under which jwt_authn leaves claims, each provider's under its payload_in_metadata.
const JWTAuthn = "envoy.filters.http.jwt_authn"

// Errors of Texts and String.
var (
	ErrMessage = errors.New("attribute: not the metadata of Envoy's filters")
	ErrNumber  = errors.New("attribute: a number beyond 2^53, which has been rounded")
	ErrObject  = errors.New("attribute: an object, or a list in a list, has no one text")
)

// Texts calls yield for each text that a value compares by until yield returns false: a string's own, the JSON text of a
// number, true, false or null, and those of each element of a list. The path begins with a filter's name. found is false
// if there is nothing at the path; of an empty list there is no text. On an error nothing was yielded.
//
// Numbers have the text of RFC 8785, whatever the client wrote: 1.50 is "1.5". Integers from 2^53 on are not what the
// client wrote any more, so they are an error rather than the number next to it.
func Texts(metadata string, path []string, yield func(text string) bool) (found bool, err error) {
	v, found, err := find(metadata, path)
	if err != nil || !found {
		return found, err
	}
	if v.kind != kindList {
		text, err := v.text()
		if err == nil {
			yield(text)
		}
		return true, err
	}
	// The first round finds what has no text.
	for _, call := range []func(string) bool{func(string) bool { return true }, yield} {
		for rest := v.bytes; rest != ""; {
			var f wire.Field[string]
			if f, rest, err = next(rest); err != nil || f.Number != listValues || f.Kind != wire.Bytes {
				return true, ErrMessage
			}
			element, err := parseValue(f.Bytes)
			if err != nil {
				return true, err
			}
			text, err := element.text()
			if err != nil {
				return true, err
			}
			if !call(text) {
				return true, nil
			}
		}
	}
	return true, nil
}

// String returns a value if it is a string; found is false if it is something else.
func String(metadata string, path []string) (value string, found bool, err error) {
	v, found, err := find(metadata, path)
	if err != nil || !found || v.kind != kindString {
		return "", false, err
	}
	value, err = v.text()
	return value, err == nil, err
}

// find follows a path. A step from anything but an object leads nowhere.
func find(metadata string, path []string) (value, bool, error) {
	if len(path) == 0 {
		return value{}, false, nil
	}
	bytes, found, err := lookup(metadata, filterMetadata, path[0])
	v := value{kind: kindStruct, bytes: bytes}
	for _, name := range path[1:] {
		if err != nil || !found || v.kind != kindStruct {
			return value{}, false, err
		}
		if bytes, found, err = lookup(v.bytes, structFields, name); found {
			v, err = parseValue(bytes)
		}
	}
	return v, found && err == nil, err
}

// value is a google.protobuf.Value.
type value struct {
	kind   uint64
	bytes  string // of a string, a list or an object
	number float64
	truth  bool
}

// Field numbers of envoy/config/core/v3/base.proto, of map entries and of google/protobuf/struct.proto. Those of a Value
// are its kinds.
const (
	filterMetadata = 1

	entryKey   = 1
	entryValue = 2

	structFields = 1
	listValues   = 1

	kindNull   = 1
	kindNumber = 2
	kindString = 3
	kindBool   = 4
	kindStruct = 5
	kindList   = 6
)

// parseValue reads a Value, which has exactly one field.
func parseValue(message string) (value, error) {
	f, rest, err := next(message)
	if err != nil || rest != "" {
		return value{}, ErrMessage
	}
	v := value{kind: f.Number, bytes: f.Bytes}
	switch {
	case f.Number == kindNull && f.Kind == wire.Varint && f.Integer == 0:
	case f.Number == kindNumber && f.Kind == wire.Fixed64:
		v.number = math.Float64frombits(f.Integer)
	case f.Number == kindBool && f.Kind == wire.Varint && f.Integer <= 1:
		v.truth = f.Integer == 1
	case f.Number == kindString && f.Kind == wire.Bytes && utf8.ValidString(f.Bytes):
	case (f.Number == kindStruct || f.Number == kindList) && f.Kind == wire.Bytes:
	default:
		return value{}, ErrMessage
	}
	return v, nil
}

// text is what a value that is no list compares by.
func (v value) text() (string, error) {
	switch v.kind {
	case kindNull:
		return "null", nil
	case kindNumber:
		return number(v.number)
	case kindString:
		return v.bytes, nil
	case kindBool:
		return strconv.FormatBool(v.truth), nil
	}
	return "", ErrObject
}

// number writes a number as RFC 8785 section 3.2.2.3 does, which is as JavaScript does.
func number(n float64) (string, error) {
	const exact = 1 << 53
	switch size := math.Abs(n); {
	case math.IsNaN(n) || size >= exact:
		return "", ErrNumber
	case n == 0:
		return "0", nil // -0 as well
	case size >= 1e-6:
		return strconv.FormatFloat(n, 'f', -1, 64), nil
	}
	text := strconv.FormatFloat(n, 'e', -1, 64)
	if last := len(text) - 1; text[last-2:last] == "-0" { // "1e-07"
		text = text[:last-1] + text[last:]
	}
	return text, nil
}
