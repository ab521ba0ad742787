package config

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// Envoy gives a plugin the text of a google.protobuf.StringValue, but of a google.protobuf.Struct its wire
// format. This reads the latter, as JSON.

var errWire = errors.New("is neither JSON nor a google.protobuf.Struct")

// maxStructDepth is the depth of messages, which is three for each level of JSON.
const maxStructDepth = 3 * 32

// structToJSON turns an encoded google.protobuf.Struct into JSON. Members that occur twice stay so: what
// reads the JSON refuses them.
func structToJSON(wire []byte) ([]byte, error) {
	return appendStruct(nil, wire, 0)
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

func appendStruct(b, wire []byte, depth int) ([]byte, error) {
	if depth > maxStructDepth {
		return nil, errWire
	}
	b = append(b, '{')
	first := true
	err := eachField(wire, func(f field) error {
		if f.number != structFields || f.kind != wireBytes {
			return errWire
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		b, err = appendEntry(b, f.bytes, depth+1)
		return err
	})
	return append(b, '}'), err
}

func appendEntry(b, wire []byte, depth int) ([]byte, error) {
	var key, value []byte
	err := eachField(wire, func(f field) error {
		switch {
		case f.kind != wireBytes:
			return errWire
		case f.number == entryKey:
			key = f.bytes
		case f.number == entryValue:
			value = f.bytes
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
func appendValue(b, wire []byte, depth int) ([]byte, error) {
	fields := 0
	err := eachField(wire, func(f field) error {
		fields++
		var err error
		switch {
		case f.number == valueNull && f.kind == wireVarint:
			b = append(b, "null"...)
		case f.number == valueNumber && f.kind == wireFixed64:
			number := math.Float64frombits(f.integer)
			if math.IsNaN(number) || math.IsInf(number, 0) {
				return errWire
			}
			b = strconv.AppendFloat(b, number, 'f', -1, 64)
		case f.number == valueString && f.kind == wireBytes && utf8.Valid(f.bytes):
			b = jsonstrict.AppendString(b, string(f.bytes))
		case f.number == valueBool && f.kind == wireVarint:
			b = strconv.AppendBool(b, f.integer != 0)
		case f.number == valueStruct && f.kind == wireBytes:
			b, err = appendStruct(b, f.bytes, depth+1)
		case f.number == valueList && f.kind == wireBytes:
			b, err = appendList(b, f.bytes, depth+1)
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

func appendList(b, wire []byte, depth int) ([]byte, error) {
	if depth > maxStructDepth {
		return nil, errWire
	}
	b = append(b, '[')
	first := true
	err := eachField(wire, func(f field) error {
		if f.number != listValues || f.kind != wireBytes {
			return errWire
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		b, err = appendValue(b, f.bytes, depth+1)
		return err
	})
	return append(b, ']'), err
}

// field is one field of an encoded message.
type field struct {
	number  uint64
	kind    uint64
	integer uint64 // of a varint or fixed64
	bytes   []byte // of a length-delimited field
}

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

func eachField(wire []byte, do func(field) error) error {
	for len(wire) > 0 {
		tag, rest, ok := varint(wire)
		if !ok {
			return errWire
		}
		f := field{number: tag >> 3, kind: tag & 7}
		switch f.kind {
		case wireVarint:
			if f.integer, rest, ok = varint(rest); !ok {
				return errWire
			}
		case wireFixed64:
			if len(rest) < 8 {
				return errWire
			}
			for i := 7; i >= 0; i-- {
				f.integer = f.integer<<8 | uint64(rest[i])
			}
			rest = rest[8:]
		case wireBytes:
			var size uint64
			if size, rest, ok = varint(rest); !ok || size > uint64(len(rest)) {
				return errWire
			}
			f.bytes, rest = rest[:size], rest[size:]
		default:
			return errWire
		}
		if err := do(f); err != nil {
			return err
		}
		wire = rest
	}
	return nil
}

func varint(wire []byte) (value uint64, rest []byte, ok bool) {
	for i := 0; i < len(wire) && i < 10; i++ {
		value |= uint64(wire[i]&0x7f) << (7 * i)
		if wire[i] < 0x80 {
			return value, wire[i+1:], true
		}
	}
	return 0, nil, false
}
