package attribute

// The protobuf wire format (https://protobuf.dev/programming-guides/encoding/), as far as these messages use it.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// field is one field of an encoded message.
type field struct {
	number  uint64
	kind    uint64
	integer uint64 // of a varint or fixed64
	bytes   string // of a length-delimited field
}

// next reads a field.
func next(message string) (f field, rest string, err error) {
	tag, rest, ok := varint(message)
	if !ok || tag>>3 == 0 {
		return field{}, "", ErrMessage
	}
	f = field{number: tag >> 3, kind: tag & 7}
	switch f.kind {
	case wireVarint:
		f.integer, rest, ok = varint(rest)
	case wireFixed64:
		f.bytes, rest, ok = cut(rest, 8)
		for i := len(f.bytes) - 1; i >= 0; i-- {
			f.integer = f.integer<<8 | uint64(f.bytes[i])
		}
		f.bytes = ""
	case wireFixed32:
		_, rest, ok = cut(rest, 4)
	case wireBytes:
		var size uint64
		if size, rest, ok = varint(rest); ok {
			f.bytes, rest, ok = cut(rest, size)
		}
	default:
		ok = false
	}
	if !ok {
		return field{}, "", ErrMessage
	}
	return f, rest, nil
}

// lookup finds a key in the map field of a message. A key that is there twice is an error; fields that are not the map are
// passed over, because a message may grow.
func lookup(message string, mapField uint64, key string) (value string, found bool, err error) {
	for message != "" {
		var f field
		if f, message, err = next(message); err != nil {
			return "", false, err
		}
		if f.number != mapField {
			continue
		}
		if f.kind != wireBytes {
			return "", false, ErrMessage
		}
		name, content, err := entry(f.bytes)
		if err != nil {
			return "", false, err
		}
		if name != key {
			continue
		}
		if found {
			return "", false, ErrMessage
		}
		value, found = content, true
	}
	return value, found, nil
}

// entry reads one entry of a map. What is absent is empty.
func entry(message string) (key, value string, err error) {
	var hasKey, hasValue bool
	for message != "" {
		var f field
		if f, message, err = next(message); err != nil || f.kind != wireBytes {
			return "", "", ErrMessage
		}
		switch {
		case f.number == entryKey && !hasKey:
			key, hasKey = f.bytes, true
		case f.number == entryValue && !hasValue:
			value, hasValue = f.bytes, true
		default:
			return "", "", ErrMessage
		}
	}
	return key, value, nil
}

func cut(text string, size uint64) (head, rest string, ok bool) {
	if size > uint64(len(text)) {
		return "", "", false
	}
	return text[:size], text[size:], true
}

// varint reads a number of at most 64 bits.
func varint(message string) (value uint64, rest string, ok bool) {
	for i := 0; i < len(message) && i < 10; i++ {
		if i == 9 && message[i] > 1 {
			return 0, "", false
		}
		value |= uint64(message[i]&0x7f) << (7 * i)
		if message[i] < 0x80 {
			return value, message[i+1:], true
		}
	}
	return 0, "", false
}
