package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/config"
)

func TestParseRefusesWhatIsNotOneObject(t *testing.T) {
	for doc, want := range map[string]string{
		"":                      "config: $: the configuration is empty; a JSON object is needed",
		" \n":                   "config: $: the configuration is empty; a JSON object is needed",
		"[]":                    "config: $: expected an object, found a list",
		`"x"`:                   `config: $: expected an object, found the string "x"`,
		"null":                  "config: $: expected an object, found null",
		"{":                     "config: $: the document is not valid JSON",
		`{"mode": 1, "mode":2}`: `config: $: the document has the member "mode" twice`,
	} {
		d, root := config.Parse([]byte(doc))
		root.Object("mode")
		assert.EqualError(t, d.Err(), want, doc)
	}
}

// Each mistake is told with its place, all of a document at once, in its order.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		read func(*config.Object)
		want []string
	}{
		"unknown fields": {
			`{"modes": 1, "zzz": 2, "odd name": 3, "MODE": 4}`, func(*config.Object) {},
			[]string{
				`$.modes: unknown field; did you mean "mode"?`,
				`$.zzz: unknown field; known here: mode, list, nested`,
				`$["odd name"]: unknown field; known here: mode, list, nested`,
				`$.MODE: unknown field; did you mean "mode"?`,
			},
		},
		"strings": {
			`{"list": [1, null, "", true, {}, "ok"]}`, func(o *config.Object) { o.Get("list").Strings() },
			[]string{
				"$.list[0]: expected a string, found the number 1",
				"$.list[1]: expected a string, found null",
				"$.list[2]: the string is empty",
				"$.list[3]: expected a string, found true",
				"$.list[4]: expected a string, found an object",
			},
		},
		"an empty list":      {`{"list": []}`, func(o *config.Object) { o.Get("list").Strings() }, []string{"$.list: the list is empty; name at least one value, or leave the field out"}},
		"no list":            {`{"list": "x"}`, func(o *config.Object) { o.Get("list").List() }, []string{`$.list: expected a list, found the string "x"`}},
		"null for an object": {`{"nested": null}`, func(o *config.Object) { o.Get("nested").Object("a") }, []string{"$.nested: expected an object, found null"}},
		"null for members":   {`{"nested": null}`, func(o *config.Object) { o.Get("nested").Members() }, []string{"$.nested: expected an object, found null"}},
		"one of":             {`{"mode": "Enforce"}`, func(o *config.Object) { o.Get("mode").OneOf("a", "a", "b") }, []string{`$.mode: found "Enforce", expected one of a, b`}},
		"bool":               {`{"mode": "true"}`, func(o *config.Object) { o.Get("mode").Bool(false) }, []string{`$.mode: expected true or false, found the string "true"`}},
		"int too large":      {`{"mode": 11}`, func(o *config.Object) { o.Get("mode").Int(1, 0, 10) }, []string{"$.mode: found 11, expected a whole number from 0 to 10"}},
		"int too small":      {`{"mode": -1}`, func(o *config.Object) { o.Get("mode").Int(1, 0, 10) }, []string{"$.mode: found -1, expected a whole number from 0 to 10"}},
		"int with a point":   {`{"mode": 1.0}`, func(o *config.Object) { o.Get("mode").Int(1, 0, 10) }, []string{"$.mode: found 1.0, expected a whole number from 0 to 10"}},
		"int beyond 64 bits": {`{"mode": 99999999999999999999}`, func(o *config.Object) { o.Get("mode").Int(1, 0, 10) }, []string{"$.mode: found 99999999999999999999, expected a whole number from 0 to 10"}},
		"duration as number": {`{"mode": 5}`, func(o *config.Object) { o.Get("mode").Duration(0, 0, time.Hour) }, []string{`$.mode: expected a duration such as "10s", found the number 5`}},
		"duration in words":  {`{"mode": "5 min"}`, func(o *config.Object) { o.Get("mode").Duration(0, 0, time.Hour) }, []string{`$.mode: found "5 min", expected a duration such as "1.5s" or "10m"`}},
		"duration too long":  {`{"mode": "2h"}`, func(o *config.Object) { o.Get("mode").Duration(0, time.Second, time.Hour) }, []string{"$.mode: found 2h, expected a duration from 1s to 1h0m0s"}},
		"a missing field":    {`{"nested": {}}`, func(o *config.Object) { o.Get("nested").Object("a").Require("a", "1") }, []string{"$.nested.a: missing; needed, for example 1"}},
		"unsupported":        {`{"mode": 1}`, func(o *config.Object) { o.Get("mode").Unsupported() }, []string{"$.mode: not supported by this version of the filter"}},
		"several": {
			`{"mode": 1, "list": [{"a": 2}, {"b": 3}], "x": 4}`, func(o *config.Object) {
				o.Get("mode").String("")
				for _, n := range o.Get("list").List() {
					n.Object("a").Get("a").Bool(false)
				}
			},
			[]string{
				"$.x: unknown field; known here: mode, list, nested",
				"$.mode: expected a string, found the number 1",
				"$.list[0].a: expected true or false, found the number 2",
				`$.list[1].b: unknown field; did you mean "a"?`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, root := config.Parse([]byte(c.doc))
			c.read(root.Object("mode", "list", "nested"))
			var mistakes config.Mistakes
			require.ErrorAs(t, d.Err(), &mistakes)
			got := make([]string, len(mistakes))
			for i, m := range mistakes {
				got[i] = m.Path + ": " + m.What
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestAbsentNodesGiveDefaults(t *testing.T) {
	d, root := config.Parse([]byte("{}"))
	o := root.Object("a")
	a := o.Get("a")
	assert.False(t, a.Present())
	assert.Equal(t, "$.a", a.Path())
	assert.Equal(t, "x", a.String("x"))
	assert.Equal(t, "b", a.OneOf("b", "b", "c"))
	assert.True(t, a.Bool(true))
	assert.Equal(t, int64(7), a.Int(7, 0, 9))
	assert.Equal(t, time.Minute, a.Duration(time.Minute, 0, time.Hour))
	assert.Empty(t, a.Strings())
	assert.Empty(t, a.Members())
	assert.False(t, a.Object("b").Require("b", "1").Present(), "nothing is missing in what is absent")
	a.Unsupported()
	assert.NoError(t, d.Err())
}

func TestValuesAreRead(t *testing.T) {
	d, root := config.Parse([]byte(`{"s": "\u0061", "b": true, "i": -3, "d": "1.5s", "m": {"x": 1, "y z": 2}}`))
	o := root.Object("s", "b", "i", "d", "m")
	assert.Equal(t, "a", o.Get("s").String(""))
	assert.True(t, o.Get("b").Bool(false))
	assert.Equal(t, int64(-3), o.Get("i").Int(0, -5, 5))
	assert.Equal(t, 1500*time.Millisecond, o.Get("d").Duration(0, 0, time.Hour))
	members := o.Get("m").Members()
	require.Len(t, members, 2)
	assert.Equal(t, "x", members[0].Name)
	assert.Equal(t, `$.m["y z"]`, members[1].Node.Path())
	assert.NoError(t, d.Err())
}
