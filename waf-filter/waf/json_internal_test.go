package waf

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// flat gives the values of a document, as "name=value".
func flat(t testing.TB, text string, depth, limit int) ([]string, bool, error) {
	w, err := coraza.NewWAF(coraza.NewWAFConfig())
	require.NoError(t, err)
	v := w.NewTransaction().(engine).Variables()
	err = flatten(strings.NewReader(text), v, v.ArgsPost(), "x", depth, limit)
	var values []string
	for _, m := range v.ArgsPost().FindAll() {
		values = append(values, m.Key()+"="+m.Value())
	}
	slices.Sort(values)
	return values, v.ArgumentsLimitReached().Get() == "1", err
}

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                      "",
		` [ ] `:                   "",
		`{"a":"b"}`:               "json.a=b",
		`{"a":1,"A":2,"a":"3"}`:   "json.A=2 json.a=1 json.a=3",
		`{"a":{"b":1},"a.b":2}`:   "json.a.b=1 json.a.b=2",
		`["x",null,true,-1.5e+3]`: "json.0=x json.1= json.2=true json.3=-1.5e+3 json=4",
		` { "a" : [ [ ] , { "b" : [ 1 ] } , [ [ "c" ] ] ] , "d" : "e" } `: "json.a.1.b.0=1 json.a.1.b=1 json.a.2.0.0=c json.a.2.0=1 json.a.2=1 json.a=3 json.d=e",
		`"x"`:                             "json.0=x json=1",
		`1`:                               "json.0=1 json=1",
		`{"\u0061\n":"\"\ud83d\ude00\/"}`: "json.a\n=\"😀/",
		`{"":""}`:                         "json.=",
	} {
		values, full, err := flat(t, text, 10, 100)
		require.NoError(t, err, text)
		assert.Equal(t, want, strings.Join(values, " "), text)
		assert.False(t, full)
	}
	for text, want := range map[string]error{
		"": errJSON, "\ufeff{}": errJSON, `{"a":1}{"b":1}`: errJSON, `{"a":1},`: errJSON, `[1,]`: errJSON, `{"a"}`: errJSON, `{"a":}`: errJSON, `{1:2}`: errJSON,
		`{"a":1`: errJSON, `["a`: errJSON, `["\x"]`: errJSON, `["\u12g4"]`: errJSON, "[\"\n\"]": errJSON, `[01]`: errJSON, `[.5]`: errJSON, `[1.]`: errJSON, `[1e]`: errJSON,
		`[-]`: errJSON, `[+1]`: errJSON, `[nul]`: errJSON, `[NaN]`: errJSON, `['a']`: errJSON, `[1}`: errJSON, `{"a":1]`: errJSON, `[1 2]`: errJSON, "[1]\x00": errJSON,
		`[[[[1]]]]`: errJSONDepth, `{"a":{"a":{"a":{}}}}`: errJSONDepth, strings.Repeat("[", 100000): errJSONDepth,
		`{"` + strings.Repeat("a", 5000) + `":[` + strings.Repeat("1,", 20) + "1]}": errJSONNames,
	} {
		_, _, err := flat(t, text, 3, 100)
		assert.Equal(t, want, err, "%.100s", text)
	}
	for text, want := range map[string]bool{`[1,2,3]`: false, `[1,2,3,4]`: true, `[[1],[1],[]]`: false, `[[[1]],[[1]]]`: true} {
		values, full, err := flat(t, text, 3, 3)
		require.NoError(t, err)
		assert.Equal(t, want, full, text)
		assert.LessOrEqual(t, len(values), 6)
	}
	values, full, err := flat(t, `[1,2,3,4,5`, 3, 3)
	assert.Equal(t, errJSON, err, "what is beyond the limit must be JSON, too")
	assert.True(t, full)
	assert.Len(t, values, 3)
}

// As Coraza's own processor asks gjson what is JSON.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,"b",{"c":null}],"d":-0.5e3}`, `[[[]]]`, `"\ud83d\ude00"`, ` true `, `{"a":"\u0000"}`, "[\"\x80\"]", `[1e]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10000 {
			return
		}
		w := jsonWalker{text: text, path: []byte("json"), to: discard{}, depth: 1 << 20, budget: 1 << 40}
		err := w.walk()
		assert.Equal(t, gjson.Valid(text), err == nil)
		assert.Equal(t, json.Valid([]byte(text)), err == nil)
	})
}

// discard is a collection that keeps nothing.
type discard struct{ collection.Map }

func (discard) Add(string, string) {}
