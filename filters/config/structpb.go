package config

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/wire"
)

// Envoy gives a plugin the text of a google.protobuf.StringValue, but of a google.protobuf.Struct its wire
// format. This reads the latter, as JSON.

var errWire = errors.New("is neither JSON nor a google.protobuf.Struct")

// maxStructDepth is the depth of messages, which is three for each level of JSON.
const maxStructDepth = 3 * 32

// structToJSON turns an encoded google.protobuf.Struct into JSON. Members that occur twice stay so: what
// reads the JSON refuses them.
func structToJSON(message []byte) ([]byte, error) {
	return appendStruct(nil, message, 0)
}

// Field numbers of google/protobuf/struct.proto.
const (
	structFields = 1
	entryKey     = 1
	entryValue   = 2
	valueNull    = 1
	valueNumber  = 2
	valueString  = 3
	valueBool    = 4
	valueStruct  = 5
	valueList    = 6
	listValues   = 1
)

func appendStruct(b, message []byte, depth int) ([]byte, error) {
	if depth > maxStructDepth {
		return nil, errWire
	}
	b = append(b, '{')
	first := true
	err := eachField(message, func(f wire.Field[[]byte]) error {
		if f.Number != structFields || f.Kind != wire.Bytes {
			return errWire
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		b, err = appendEntry(b, f.Bytes, depth+1)
		return err
	})
	return append(b, '}'), err
}

func appendEntry(b, message []byte, depth int) ([]byte, error) {
	var key, value []byte
	err := eachField(message, func(f wire.Field[[]byte]) error {
		switch {
		case f.Kind != wire.Bytes:
			return errWire
		case f.Number == entryKey:
			key = f.Bytes
		case f.Number == entryValue:
			value = f.Bytes
		default:
			return errWire
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(key) {
		return nil, errWire
	}
	b = append(jsonstrict.AppendString(b, string(key)), ':')
	return appendValue(b, value, depth+1)
}

// appendValue takes exactly one field: a Value with none, or with two, has no JSON.
func appendValue(b, message []byte, depth int) ([]byte, error) {
	fields := 0
	err := eachField(message, func(f wire.Field[[]byte]) error {
		fields++
		var err error
		switch {
		case f.Number == valueNull && f.Kind == wire.Varint:
			b = append(b, "null"...)
		case f.Number == valueNumber && f.Kind == wire.Fixed64:
			number := math.Float64frombits(f.Integer)
			if math.IsNaN(number) || math.IsInf(number, 0) {
				return errWire
			}
			b = strconv.AppendFloat(b, number, 'f', -1, 64)
		case f.Number == valueString && f.Kind == wire.Bytes && utf8.Valid(f.Bytes):
			b = jsonstrict.AppendString(b, string(f.Bytes))
		case f.Number == valueBool && f.Kind == wire.Varint:
			b = strconv.AppendBool(b, f.Integer != 0)
		case f.Number == valueStruct && f.Kind == wire.Bytes:
			b, err = appendStruct(b, f.Bytes, depth+1)
		case f.Number == valueList && f.Kind == wire.Bytes:
			b, err = appendList(b, f.Bytes, depth+1)
		default:
			err = errWire
		}
		return err
	})
	if err == nil && fields != 1 {
		err = errWire
	}
	return b, err
}

func appendList(b, message []byte, depth int) ([]byte, error) {
	if depth > maxStructDepth {
		return nil, errWire
	}
	b = append(b, '[')
	first := true
	err := eachField(message, func(f wire.Field[[]byte]) error {
		if f.Number != listValues || f.Kind != wire.Bytes {
			return errWire
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		b, err = appendValue(b, f.Bytes, depth+1)
		return err
	})
	return append(b, ']'), err
}

func eachField(message []byte, do func(wire.Field[[]byte]) error) error {
	for len(message) > 0 {
		f, rest, err := wire.Next(message)
		if err != nil {
			return errWire
		}
		if err := do(f); err != nil {
			return err
		}
		message = rest
	}
	return nil
}
