package jsonstrict_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/budget"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

type pair struct{ name, raw string }

func pairs(v gjson.Result) (got []pair) {
	for c := jsonstrict.Begin(v); ; {
		name, v, next, ok := c.Next()
		if !ok {
			return got
		}
		got = append(got, pair{name, v.Raw})
		c = next
	}
}

// forEach is what gjson makes of the same value.
func forEach(v gjson.Result) (want []pair) {
	if v.IsObject() || v.IsArray() {
		v.ForEach(func(k, v gjson.Result) bool {
			want = append(want, pair{k.Str, v.Raw})
			return true
		})
	}
	return want
}

var documents = []string{
	`{}`, `[]`, ` { } `, `[ ]`, `"a"`, `1`, `null`, `{"a":1}`, ` { "a" : 1 , "b" : [1, "]", {"x": "}"}] , "c":null } `,
	`["a","b\"c","\\",{"a":[]},[[]],-1.5e3,true,false,null]`, `{"a\"b":"c\\","\u0061\u00e9":"\u0062","":""}`,
	"{\t\"a\"\r\n:\n\"b\"\n,\"c\":{}}", `{"a":{"b":{"c":[1,2,{"d":"e"}]}}}`, `[1,2 ,3 ]`,
}

func TestCursor(t *testing.T) {
	for _, doc := range documents {
		v, err := jsonstrict.Parse(doc)
		require.NoError(t, err, doc)
		assert.Equal(t, forEach(v), pairs(v), doc)
		if v.IsArray() {
			assert.Equal(t, len(forEach(v)), jsonstrict.Count(v), doc)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, doc := range documents {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		v, err := jsonstrict.Parse(doc)
		if err != nil {
			pairs(gjson.Parse(doc)) // what is not JSON is not read out of bounds
			return
		}
		require.Equal(t, forEach(v), pairs(v))
	})
}

func BenchmarkMember(b *testing.B) { budget.Time(b, member) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Member": member})
}

func member(b *budget.Runner) {
	v, err := jsonstrict.Parse(`{"iss":"https://idp.example","sub":"alice","scope":["read","write"],"org":{"dept":"x"}}`)
	require.NoError(b, err)
	b.Op("", func() {
		if _, ok := jsonstrict.Member(v, "org"); !ok {
			b.Fatal("not found")
		}
	})
}
