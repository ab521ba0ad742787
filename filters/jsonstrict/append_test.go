package jsonstrict_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

func TestAppendString(t *testing.T) {
	for s, want := range map[string]string{
		"":               `""`,
		`a"b\c/`:         `"a\"b\\c/"`,
		"line\nfeed\r\t": `"line\u000afeed\u000d\u0009"`,
		"\x00\x1b[31m":   `"\u0000\u001b[31m"`,
		"\x7f\u0085":     `"\u007f\u0085"`,
		"\u009b31m":      `"\u009b31m"`,
		"a\u2028b\u2029": `"a\u2028b\u2029"`,
		"é😀":             `"é😀"`,
		"\xff\xc3":       `"\ufffd\ufffd"`,
		"\xed\xa0\x80":   `"\ufffd\ufffd\ufffd"`,
		"é\xffé":         `"é\ufffdé"`,
		"😀\x80":          `"😀\ufffd"`, // a stray continuation byte belongs to no character
	} {
		assert.Equal(t, want, string(jsonstrict.AppendString(nil, s)))
	}
	assert.Equal(t, `{"a"`, string(jsonstrict.AppendString([]byte{'{'}, "a")), "it appends")
}

// Whatever is not plain is escaped wherever it is, also next to any other byte.
func TestAppendStringEscapesEverywhere(t *testing.T) {
	for size := range 20 {
		for at := range size {
			for c := range 256 {
				for _, beside := range []byte{'a', ' ', '~', '!', '#', '[', ']', 0x80, 0xff, 0} {
					s := []byte(strings.Repeat(string([]byte{beside}), size))
					s[at] = byte(c)
					assertReadBack(t, string(s))
				}
			}
		}
	}
}

func assertReadBack(t *testing.T, s string) {
	t.Helper()
	doc := jsonstrict.AppendString(make([]byte, 0, 1), s)
	var theirs string
	if err := json.Unmarshal(doc, &theirs); err != nil || theirs != string([]rune(s)) ||
		strings.IndexFunc(string(doc), unicode.IsControl) >= 0 {
		require.Fail(t, "not read back", "%q became %q, which is read as %q (%v)", s, doc, theirs, err)
	}
}

// Every reader gets the string back, on one line, and Parse is one of them.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"a", "\"\\\n", "\xff", "\u2028", "😀\x80", "\u0085"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		doc := string(jsonstrict.AppendString(nil, s))
		require.Equal(t, -1, strings.IndexFunc(doc, unicode.IsControl), "a raw control character in %q", doc)
		var theirs string
		require.NoError(t, json.Unmarshal([]byte(doc), &theirs))
		want := string([]rune(s)) // a byte that is not UTF-8 becomes U+FFFD
		require.Equal(t, want, theirs)
		ours, err := jsonstrict.Parse(doc)
		require.NoError(t, err)
		require.Equal(t, theirs, ours.Str)
	})
}
