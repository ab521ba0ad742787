package screen

// class is a set of the bytes that a value in normal form may have: a bit for each of ASCII's, and that of 'A', which
// none has, for all bytes beyond ASCII.
type class [2]uint64

const beyond = 'A'

func (c *class) add(b byte)              { c[b>>6] |= 1 << (b & 63) }
func (c *class) has(b byte) bool         { return c[b>>6]>>(b&63)&1 != 0 }
func (c class) meets(other *class) bool  { return c[0]&other[0]|c[1]&other[1] != 0 }
func (c class) or(other class) class     { return class{c[0] | other[0], c[1] | other[1]} }
func (c class) minus(other *class) class { return class{c[0] &^ other[0], c[1] &^ other[1]} }

func classOf(s string) (c class) {
	for i := range len(s) {
		c.add(folded(s[i]))
	}
	return c
}

// folded is a byte in lower case, and beyond for all that are not ASCII's.
func folded(b byte) byte {
	switch {
	case b >= 0x80:
		return beyond
	case 'A' <= b && b <= 'Z':
		return b + 'a' - 'A'
	}
	return b
}

// blanks are what transformations make a blank of, or leave out as one.
var blanks = classOf(" \t\n\v\f\r,;+")

// removable are the bytes that transformations may remove, or replace by a blank, without any of the other marks: those
// beyond ASCII are, because there are blanks among them. Normal form is without them.
var removable = blanks.or(classOf("\"'\\^\x00\x80"))

// plain are the bytes that a text is mostly of.
var plain = classOf("abcdefghijklmnopqrstuvwxyz0123456789 ")

// first is the class of one byte of a class, empty if that is.
func first(c class) class {
	if c[0] != 0 {
		return class{c[0] & -c[0], 0}
	}
	return class{0, c[1] & -c[1]}
}

// normal is a text in normal form.
func normal(text string) string {
	out := make([]byte, 0, len(text))
	for i := range len(text) {
		if b := folded(text[i]); !removable.has(b) {
			out = append(out, b)
		}
	}
	return string(out)
}

// isRare tells whether a class has none of the bytes that many texts have one of.
func (c class) isRare() bool { return !c.meets(&usual) }

var usual = plain.or(classOf(".-:/@_=?&%!#"))
