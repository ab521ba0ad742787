package attribute

import "github.com/palisade-mesh/palisade/filters/wire"

// next reads a field.
func next(message string) (f wire.Field[string], rest string, err error) {
	if f, rest, err = wire.Next(message); err != nil {
		err = ErrMessage
	}
	return f, rest, err
}

// lookup finds a key in the map field of a message. A key that is there twice is an error; fields that are not the map are
// passed over, because a message may grow.
func lookup(message string, mapField uint64, key string) (value string, found bool, err error) {
	for message != "" {
		var f wire.Field[string]
		if f, message, err = next(message); err != nil {
			return "", false, err
		}
		if f.Number != mapField {
			continue
		}
		if f.Kind != wire.Bytes {
			return "", false, ErrMessage
		}
		name, content, err := entry(f.Bytes)
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
		var f wire.Field[string]
		if f, message, err = next(message); err != nil || f.Kind != wire.Bytes {
			return "", "", ErrMessage
		}
		switch {
		case f.Number == entryKey && !hasKey:
			key, hasKey = f.Bytes, true
		case f.Number == entryValue && !hasValue:
			value, hasValue = f.Bytes, true
		default:
			return "", "", ErrMessage
		}
	}
	return key, value, nil
}
