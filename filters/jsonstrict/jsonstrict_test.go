package jsonstrict_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

func TestParseAccepts(t *testing.T) {
	for name, doc := range map[string]string{
		"an object":                         `{"a": 1, "b": [true, null, -0.5e3]}`,
		"white space around":                " \t\r\n{} \n",
		"the same name in two objects":      `{"a": {"x": 1}, "b": {"x": 1}, "x": 1}`,
		"a surrogate pair":                  `{"a": "\ud83d\ude00"}`,
		"brackets in a string":              `{"a": "` + strings.Repeat("[", 100) + `"}`,
		"a quote in a string":               `{"a": "\"[[\\", "b": "\\"}`,
		"as deep as may be":                 strings.Repeat("[", jsonstrict.MaxDepth) + strings.Repeat("]", jsonstrict.MaxDepth),
		"names that differ in case":         `{"a": 1, "A": 1}`,
		"more members than the small bound": object(40),
		"the greatest number":               `[1.7976931348623157e308, -17976931348623157E+292, 1` + strings.Repeat("0", 308) + `]`,
		"next to nothing":                   `{"a": 1e-400, "b": -0, "c": 1e00000}`,
		"an exponent in a string":           `{"1e400": "1e400"}`,
	} {
		t.Run(name, func(t *testing.T) {
			v, err := jsonstrict.Parse(doc)
			require.NoError(t, err)
			assert.True(t, v.Exists())
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const deep = jsonstrict.MaxDepth + 1
	for name, c := range map[string]struct {
		doc  string
		want error
	}{
		"nothing":                          {"", jsonstrict.ErrSyntax},
		"two documents":                    {"{} {}", jsonstrict.ErrSyntax},
		"a trailing comma":                 {`{"a": 1,}`, jsonstrict.ErrSyntax},
		"a leading zero":                   {`{"a": 01}`, jsonstrict.ErrSyntax},
		"NaN":                              {`{"a": NaN}`, jsonstrict.ErrSyntax},
		"a comment":                        {`{} // c`, jsonstrict.ErrSyntax},
		"a byte order mark":                {"\ufeff{}", jsonstrict.ErrSyntax},
		"a raw control character":          {"{\"a\": \"\n\"}", jsonstrict.ErrSyntax},
		"a NUL after the end":              {"{}\x00", jsonstrict.ErrSyntax},
		"an unknown escape":                {`{"a": "\x"}`, jsonstrict.ErrSyntax},
		"half an escape":                   {`{"a": "\u00`, jsonstrict.ErrSyntax},
		"a string without end":             {`{"a": "\`, jsonstrict.ErrSyntax},
		"not UTF-8":                        {"{\"a\": \"\xff\"}", jsonstrict.ErrUTF8},
		"an overlong slash":                {"{\"a\": \"\xc0\xaf\"}", jsonstrict.ErrUTF8},
		"a surrogate in UTF-8":             {"{\"a\": \"\xed\xa0\x80\"}", jsonstrict.ErrUTF8},
		"a high surrogate alone":           {`{"a": "\ud83d"}`, jsonstrict.ErrSurrogate},
		"a high surrogate before another":  {`{"a": "\ud83d\ud83d"}`, jsonstrict.ErrSurrogate},
		"a high surrogate before a letter": {`{"a": "\ud83d\u0061"}`, jsonstrict.ErrSurrogate},
		"a low surrogate alone":            {`{"a": "\ude00"}`, jsonstrict.ErrSurrogate},
		"a surrogate in a name":            {`{"\ude00": 1}`, jsonstrict.ErrSurrogate},
		"too deep":                         {strings.Repeat("[", deep) + strings.Repeat("]", deep), jsonstrict.ErrDepth},
		"too deep without end":             {strings.Repeat(`{"a":`, deep), jsonstrict.ErrDepth},
		"a number beyond all":              {`{"a": {"b": [1e400]}}`, jsonstrict.ErrNumber},
		"a negative number beyond all":     {`[-1.8E+308]`, jsonstrict.ErrNumber},
		"more digits than a float has":     {"1" + strings.Repeat("0", 309), jsonstrict.ErrNumber},
		"closed before it is opened":       {strings.Repeat("]", 1<<12) + strings.Repeat("[", 1<<12), jsonstrict.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jsonstrict.Parse(c.doc)
			assert.ErrorIs(t, err, c.want)
		})
	}
}

func TestParseRefusesDuplicateNames(t *testing.T) {
	for name, doc := range map[string]string{
		"at the top":                      `{"a": 1, "b": 2, "a": 3}`,
		"escaped":                         `{"a": 1, "\u0061": 2}`,
		"both escaped":                    `{"\u0061": 1, "\u0061": 2}`,
		"nested":                          `[{"x": [{"a": 1, "a": 1}]}]`,
		"empty":                           `{"": 1, "": 2}`,
		"the last of the small bound":     object(15, "m0"),
		"just past the small bound":       object(16, "m0"),
		"far past the small bound":        object(40, "m0"),
		"both past the small bound":       object(40, "m39"),
		"below an object of many members": object(40, `z":{"a":1,"a":2},"y`),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jsonstrict.Parse(doc)
			var dup *jsonstrict.DuplicateError
			assert.ErrorAs(t, err, &dup, doc)
		})
	}
}

// object has n members m0, m1, ... and then some more.
func object(n int, more ...string) string {
	members := make([]string, 0, n)
	for i := range n {
		members = append(members, `"m`+strconv.Itoa(i)+`":`+strconv.Itoa(i))
	}
	for _, name := range more {
		members = append(members, `"`+name+`":0`)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func TestMemberGoesByTheExactName(t *testing.T) {
	v, err := jsonstrict.Parse(`{"a.b": 1, "*": 2, "a": {"b": 3}, "\u0063": 4}`)
	require.NoError(t, err)
	for name, want := range map[string]string{"a.b": "1", "*": "2", "a": `{"b": 3}`, "c": "4"} {
		m, ok := jsonstrict.Member(v, name)
		assert.True(t, ok, name)
		assert.Equal(t, want, m.Raw, name)
	}
	_, ok := jsonstrict.Member(v, "A")
	assert.False(t, ok)
	list, err := jsonstrict.Parse(`["a", "b"]`)
	require.NoError(t, err)
	_, ok = jsonstrict.Member(list, "a")
	assert.False(t, ok, "a list has no members")
}

// What is accepted, encoding/json accepts too and reads the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"\u0061":1,"a":2}`, `[[[]]]`, `"\ud83d\ude00"`, `{"a":{"b":[1,2,{"c":null}]}}`, object(20)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		v, err := jsonstrict.Parse(doc)
		if err != nil {
			return
		}
		var theirs any
		if err := json.Unmarshal([]byte(doc), &theirs); err != nil {
			if strings.Contains(err.Error(), "cannot unmarshal number") {
				return // one that is too large for a float64
			}
			t.Fatalf("accepted %q, of which encoding/json says %v", doc, err)
		}
		members, ok := theirs.(map[string]any)
		require.Equal(t, ok, v.IsObject())
		for name, want := range members {
			m, found := jsonstrict.Member(v, name)
			require.True(t, found, name)
			if text, ok := want.(string); ok {
				require.Equal(t, text, m.Str)
			}
		}
	})
}
