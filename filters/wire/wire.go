// Package wire reads and writes protobuf's wire format (https://protobuf.dev/programming-guides/encoding/), as far as Envoy's
// messages need it: the libraries for it format errors by reflection, which is not for a Wasm module.
package wire

import "errors"

// ErrMessage is a text that is no message.
var ErrMessage = errors.New("not an encoded message")

// Kind is how a field's value is encoded.
type Kind uint8

// The kinds. Groups are refused: proto3 does not have them.
const (
	Varint  Kind = 0
	Fixed64 Kind = 1
	Bytes   Kind = 2
	Fixed32 Kind = 5
)

// Field is one field of a message.
type Field[T string | []byte] struct {
	Number  uint64
	Kind    Kind
	Integer uint64 // of a Varint, Fixed64 or Fixed32
	Bytes   T      // of Bytes; a part of the message
}

// Next reads a message's first field.
func Next[T string | []byte](message T) (f Field[T], rest T, err error) {
	tag, rest, ok := readVarint(message)
	if !ok || tag>>3 == 0 {
		return Field[T]{}, rest, ErrMessage
	}
	f = Field[T]{Number: tag >> 3, Kind: Kind(tag & 7)}
	switch f.Kind {
	case Varint:
		f.Integer, rest, ok = readVarint(rest)
	case Fixed64:
		f.Integer, rest, ok = readFixed(rest, 8)
	case Fixed32:
		f.Integer, rest, ok = readFixed(rest, 4)
	case Bytes:
		var size uint64
		if size, rest, ok = readVarint(rest); ok {
			if ok = size <= uint64(len(rest)); ok {
				f.Bytes, rest = rest[:size], rest[size:]
			}
		}
	default:
		ok = false
	}
	if !ok {
		return Field[T]{}, rest, ErrMessage
	}
	return f, rest, nil
}

// readVarint reads a number of at most 64 bits.
func readVarint[T string | []byte](message T) (value uint64, rest T, ok bool) {
	for i := 0; i < len(message) && i < 10; i++ {
		if i == 9 && message[i] > 1 {
			return 0, rest, false
		}
		value |= uint64(message[i]&0x7f) << (7 * i)
		if message[i] < 0x80 {
			return value, message[i+1:], true
		}
	}
	return 0, rest, false
}

func readFixed[T string | []byte](message T, size int) (value uint64, rest T, ok bool) {
	if len(message) < size {
		return 0, rest, false
	}
	for i := size - 1; i >= 0; i-- {
		value = value<<8 | uint64(message[i])
	}
	return value, message[size:], true
}

// AppendVarint writes a number without its field.
func AppendVarint(b []byte, value uint64) []byte {
	for ; value >= 0x80; value >>= 7 {
		b = append(b, byte(value)|0x80)
	}
	return append(b, byte(value))
}

// AppendInteger writes a field with a number.
func AppendInteger(b []byte, number, value uint64) []byte {
	return AppendVarint(AppendVarint(b, number<<3|uint64(Varint)), value)
}

// AppendBytes writes a field with a text, bytes or a message.
func AppendBytes[T string | []byte](b []byte, number uint64, value T) []byte {
	return append(AppendSize(b, number, len(value)), value...)
}

// AppendSize writes the start of a field with a text, bytes or a message of a size, which are to follow.
func AppendSize(b []byte, number uint64, size int) []byte {
	return AppendVarint(AppendVarint(b, number<<3|uint64(Bytes)), uint64(size))
}

// SizeInteger is the size of a field with a number.
func SizeInteger(number, value uint64) int { return sizeVarint(number<<3) + sizeVarint(value) }

// SizeBytes is the size of a field with a text, bytes or a message of a size.
func SizeBytes(number uint64, size int) int {
	return sizeVarint(number<<3) + sizeVarint(uint64(size)) + size
}

func sizeVarint(value uint64) (n int) {
	for n = 1; value >= 0x80; value >>= 7 {
		n++
	}
	return n
}
