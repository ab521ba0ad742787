package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestStructIsReadAsJSON(t *testing.T) {
	value, err := structpb.NewStruct(map[string]any{
		"mode": "dry-run", "big": 1e15, "half": 0.5, "no": nil, "yes": true,
		"text":   "a \"quoted\" line\n\u00e9",
		"nested": map[string]any{"list": []any{1.0, "two", map[string]any{}, []any{}}, "empty": map[string]any{}},
	})
	require.NoError(t, err)
	wire, err := proto.Marshal(value)
	require.NoError(t, err)

	got, err := structToJSON(wire)
	require.NoError(t, err)
	want, err := value.MarshalJSON()
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got))

	_, root := Parse(wire)
	assert.Equal(t, "dry-run", root.Object("mode", "big", "half", "no", "yes", "text", "nested").Get("mode").String(""))
}

func TestStructOfAnEntryAsLongAsABraceIsNotTakenForJSON(t *testing.T) {
	// The wire format starts with a line feed, which JSON may, and then the entry's length: 0x7b is '{'.
	for size := range 200 {
		value, err := structpb.NewStruct(map[string]any{"a": string(make([]rune, size))})
		require.NoError(t, err)
		wire, err := proto.Marshal(value)
		require.NoError(t, err)
		d, root := Parse(wire)
		root.Object("a")
		require.NoError(t, d.Err(), "string of %d", size)
	}
}

func TestWhatIsNoStructIsRefused(t *testing.T) {
	value, err := structpb.NewStruct(map[string]any{"policies": []any{map[string]any{"name": "a"}}})
	require.NoError(t, err)
	wire, err := proto.Marshal(value)
	require.NoError(t, err)
	for cut := 1; cut < len(wire); cut++ {
		_, err := structToJSON(wire[:cut])
		assert.Error(t, err, "cut at %d", cut)
	}
	for name, wire := range map[string][]byte{
		"a value without a field":    {0x0a, 0x05, 0x0a, 0x01, 'a', 0x12, 0x00},
		"another field":              {0x12, 0x00},
		"a string that is not UTF-8": {0x0a, 0x08, 0x0a, 0x01, 'a', 0x12, 0x03, 0x1a, 0x01, 0xff},
		"text":                       []byte("policies: []"),
	} {
		_, err := structToJSON(wire)
		assert.Error(t, err, name)
		d, _ := Parse(wire)
		assert.Error(t, d.Err(), name)
	}
}

func TestStructWithAMemberTwiceIsRefused(t *testing.T) {
	one, err := structpb.NewStruct(map[string]any{"mode": "enforce"})
	require.NoError(t, err)
	two, err := structpb.NewStruct(map[string]any{"mode": "dry-run"})
	require.NoError(t, err)
	a, err := proto.Marshal(one)
	require.NoError(t, err)
	b, err := proto.Marshal(two)
	require.NoError(t, err)
	d, _ := Parse(append(a, b...))
	assert.ErrorContains(t, d.Err(), "twice")
}
