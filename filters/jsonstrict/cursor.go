package jsonstrict

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Cursor goes through the members of an object or the elements of an array. Unlike gjson's ForEach it calls nothing
// back, and unlike an iterator it is a value, so that it takes no memory: TinyGo gives some to whatever is pointed to.
type Cursor struct {
	rest   string // what is left, after the bracket or the last value
	object bool
}

// Begin is before the first value. Of what is neither object nor array there is none. The document must have been
// checked by Parse.
func Begin(v gjson.Result) Cursor {
	c := Cursor{object: v.IsObject()}
	if c.object || v.IsArray() {
		c.rest = strings.TrimLeft(v.Raw, space)[1:]
	}
	return c
}

// Next gives the next value, with its name in an object, and where to go on; ok is false if there is none.
func (c Cursor) Next() (name string, v gjson.Result, next Cursor, ok bool) {
	raw := strings.TrimLeft(c.rest, ","+space)
	if raw == "" || raw[0] == '}' || raw[0] == ']' {
		return "", v, Cursor{}, false
	}
	if c.object {
		end := valueEnd(raw)
		name = text(raw[:end])
		raw = strings.TrimLeft(raw[end:], ":"+space)
	}
	end := valueEnd(raw)
	if end == 0 { // not JSON
		return "", v, Cursor{}, false
	}
	return name, gjson.Parse(raw[:end]), Cursor{rest: raw[end:], object: c.object}, true
}

// Count is how many elements an array has.
func Count(array gjson.Result) (n int) {
	if !array.IsArray() {
		return 0
	}
	rest := strings.TrimLeft(array.Raw, space)[1:]
	for {
		rest = strings.TrimLeft(rest, ","+space)
		end := valueEnd(rest)
		if end == 0 {
			return n
		}
		n++
		rest = rest[end:]
	}
}

// Member returns the value of an object's member by its exact name (gjson's own paths give meaning to
// '.', '*' and '#').
func Member(object gjson.Result, name string) (gjson.Result, bool) {
	if !object.IsObject() {
		return gjson.Result{}, false
	}
	for c := Begin(object); ; {
		member, v, next, ok := c.Next()
		if !ok || member == name {
			return v, ok
		}
		c = next
	}
}

const space = " \t\r\n"

// text is what a JSON string stands for.
func text(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 && len(raw) >= 2 {
		return raw[1 : len(raw)-1]
	}
	return gjson.Parse(raw).Str
}

// valueEnd is where the value ends that raw starts with.
func valueEnd(raw string) int {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; i < len(raw) && raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return min(i+1, len(raw))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}
