package claims_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

func parse(t *testing.T, doc string) gjson.Result {
	t.Helper()
	v, err := jsonstrict.Parse(doc)
	require.NoError(t, err)
	return v
}

func TestLookup(t *testing.T) {
	c := parse(t, `{"sub": "alice", "org": {"dept": {"name": "sales"}, "a.b": 1}, "org.dept": "dotted",
		"https://x.example/roles": {"r": [1]}, "list": [{"a": 1}], "null": null, "*": "star"}`)
	for name, want := range map[string]string{
		"sub":                       `"alice"`,
		"org.dept":                  `"dotted"`, // the claim of this very name comes first
		"org.dept.name":             `"sales"`,
		"org.a.b":                   "1",
		"https://x.example/roles":   `{"r": [1]}`,
		"https://x.example/roles.r": "[1]",
		"null":                      "null",
		"*":                         `"star"`,
	} {
		v, ok := claims.Lookup(c, name)
		assert.True(t, ok, name)
		assert.Equal(t, want, v.Raw, name)
	}
	for _, name := range []string{"", ".", "Sub", "sub.x", "org.", ".org", "org.dept.name.x", "list.a", "list.0", "list.#", "s*"} {
		_, ok := claims.Lookup(c, name)
		assert.False(t, ok, name)
	}
}

func TestPath(t *testing.T) {
	c := parse(t, `{"a": {"b.c": {"d": 1}}}`)
	v, ok := claims.Path(c, []string{"a", "b.c", "d"})
	assert.True(t, ok)
	assert.Equal(t, "1", v.Raw)
	for _, path := range [][]string{{"a", "b", "c"}, {"a", "b.c", "d", "e"}, {"b.c"}} {
		_, ok := claims.Path(c, path)
		assert.False(t, ok, path)
	}
}

func TestAny(t *testing.T) {
	for doc, want := range map[string]bool{
		`"x"`: true, `["y", "x"]`: true, `["x y"]`: false, `[]`: false, `"xx"`: false, `{"x": "x"}`: false, `[["x"]]`: false, `null`: false,
	} {
		assert.Equal(t, want, claims.Any(parse(t, doc), func(s string) bool { return s == "x" }), doc)
	}
}

func TestTextIsTheJSONTextOfAnythingButAString(t *testing.T) {
	for doc, want := range map[string]string{
		`"a\u0062"`: "ab", `1.0`: "1.0", `1e2`: "1e2", `true`: "true", `null`: "null", `["a"]`: `["a"]`, `{"a": 1}`: `{"a": 1}`, `""`: "",
	} {
		assert.Equal(t, want, claims.Text(parse(t, doc)), doc)
	}
}
