package attribute_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/palisade-mesh/palisade/filters/attribute"
	"github.com/palisade-mesh/palisade/filters/budget"
)

// texts collects what Texts yields; nil if nothing was found.
func texts(metadata string, path ...string) ([]string, error) {
	got := []string{}
	found, err := attribute.Texts(metadata, path, func(text string) bool {
		got = append(got, text)
		return true
	})
	if !found {
		got = nil
	}
	return got, err
}

// TestWhatEnvoyGives reads what Envoy 1.40.0 gave for the attribute "metadata" after jwt_authn, with
// payload_in_metadata: corp, had accepted a token with the claims of payload.json.
func TestWhatEnvoyGives(t *testing.T) {
	text, err := os.ReadFile("testdata/metadata.hex")
	require.NoError(t, err)
	wire, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	require.NoError(t, err)
	for _, tt := range []struct {
		path string
		want []string
	}{
		{"sub", []string{"alice"}},
		{"iss", []string{"https://idp.example"}},
		{"exp", []string{"4102444800"}},
		{"n42", []string{"42"}},
		{"n15", []string{"1.5"}},
		{"nneg", []string{"-1"}},
		{"n0", []string{"0"}},
		{"n01", []string{"0.1"}},
		{"ntiny", []string{"1e-7"}},
		{"t", []string{"true"}},
		{"f", []string{"false"}},
		{"nul", []string{"null"}},
		{"s8", []string{"ABCDEFGH"}},
		{"sempty", []string{""}},
		{"s1", []string{"x"}},
		{"sctl", []string{"\x01"}},
		{"s0", []string{"\x00"}},
		{"sutf", []string{"héllo"}},
		{"ls", []string{"read", "write"}},
		{"le", []string{}},
		{"ln", []string{"1", "2.5"}},
		{"lb", []string{"true", "false"}},
		{"lnull", []string{"a", "null"}},
		{"lmix", []string{"a", "1", "true"}},
		{"lone", []string{"read"}},
		{"les", []string{""}},
		{"org/dept/name", []string{"sales"}},
		{"org/dept/n", []string{"7"}},
		{"a.b", []string{"dotted"}},
		{"absent", nil},
		{"absent/deeper", nil},
		{"sub/deeper", nil},
		{"ls/0", nil},
		{"org/absent", nil},
		{"Sub", nil},
		{"su", nil},
		{"", nil},
	} {
		got, err := texts(string(wire), append([]string{attribute.JWTAuthn, "corp"}, strings.Split(tt.path, "/")...)...)
		require.NoError(t, err, tt.path)
		assert.Equal(t, tt.want, got, tt.path)
	}
	for path, want := range map[string]error{
		"n1e20": attribute.ErrNumber, "nbig": attribute.ErrNumber, // sent as 9007199254740993, which became 9007199254740992
		"org": attribute.ErrObject, "oe": attribute.ErrObject, "lobj": attribute.ErrObject, "llist": attribute.ErrObject,
	} {
		got, err := texts(string(wire), attribute.JWTAuthn, "corp", path)
		assert.ErrorIs(t, err, want, path)
		assert.Empty(t, got, path)
	}
	for _, path := range [][]string{{}, {"other"}, {"other", "corp", "sub"}, {attribute.JWTAuthn, "other", "sub"}} {
		got, err := texts(string(wire), path...)
		require.NoError(t, err)
		assert.Nil(t, got, path)
	}
	url, found, err := attribute.String(string(wire), []string{attribute.JWTAuthn, "corp", "https://x.example/r"})
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, "url", url, "a name with slashes")
}

func TestString(t *testing.T) {
	metadata := wire(t, `{"s": "a", "e": "", "n": 1, "b": true, "l": ["a"], "z": null, "o": {"s": "b"}}`)
	for name, want := range map[string]string{"s": "a", "e": "", "o/s": "b"} {
		got, found, err := attribute.String(metadata, append([]string{"f"}, strings.Split(name, "/")...))
		require.NoError(t, err, name)
		assert.True(t, found, name)
		assert.Equal(t, want, got, name)
	}
	for _, name := range []string{"n", "b", "l", "z", "o", "absent"} {
		got, found, err := attribute.String(metadata, []string{"f", name})
		require.NoError(t, err, name)
		assert.False(t, found, name)
		assert.Empty(t, got, name)
	}
	_, found, err := attribute.String("\x0a", []string{"f", "s"})
	require.ErrorIs(t, err, attribute.ErrMessage)
	assert.False(t, found)
}

// wire is metadata in which filter f left these members.
func wire(t testing.TB, object string) string {
	t.Helper()
	var members map[string]any
	require.NoError(t, json.Unmarshal([]byte(object), &members))
	s, err := structpb.NewStruct(members)
	require.NoError(t, err)
	fields, err := proto.Marshal(s)
	require.NoError(t, err)
	return message(1, message(1, "f")+message(2, string(fields)))
}

// message is a length-delimited field.
func message(number protowire.Number, content string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), content))
}

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{
		1: "1", -1: "-1", 1e15: "1000000000000000", 1<<53 - 1: "9007199254740991", -(1<<53 - 1): "-9007199254740991",
		math.Copysign(0, -1): "0", 10.1: "10.1", 0.000001: "0.000001", 0.0000015: "0.0000015", 9.99e-7: "9.99e-7", -1e-10: "-1e-10",
		5e-324: "5e-324", 1.7976931348623157e-300: "1.7976931348623157e-300", 123456.789: "123456.789",
	} {
		got, err := texts(number(n), "f", "n")
		require.NoError(t, err, n)
		assert.Equal(t, []string{want}, got)
		if n != 0 {
			text, err := json.Marshal(n)
			require.NoError(t, err)
			assert.Equal(t, string(text), want, "as encoding/json writes it")
		}
	}
	for _, n := range []float64{1 << 53, -(1 << 53), 1e20, math.MaxFloat64, math.Inf(1), math.Inf(-1), math.NaN()} {
		_, err := texts(number(n), "f", "n")
		assert.ErrorIs(t, err, attribute.ErrNumber, n)
	}
}

func number(n float64) string {
	v := string(protowire.AppendFixed64(protowire.AppendTag(nil, 2, protowire.Fixed64Type), math.Float64bits(n)))
	return message(1, message(1, "f")+message(2, message(1, message(1, "n")+message(2, v))))
}

func TestTextsRefuses(t *testing.T) {
	value := func(v string) string {
		return message(1, message(1, "f")+message(2, message(1, message(1, "n")+message(2, v))))
	}
	text := message(3, "x")
	member := message(1, message(1, "n")+message(2, text))
	for name, metadata := range map[string]string{
		"a tag without a field":                 "\x0a",
		"a field cut off":                       "\x0a\x05abc",
		"a varint without an end":               strings.Repeat("\xff", 11),
		"a varint beyond 64 bits":               strings.Repeat("\xff", 9) + "\x02",
		"field 0":                               "\x02\x00",
		"a group":                               "\x0b\x0c",
		"the map as a number":                   "\x08\x01",
		"the filter twice":                      wire(t, `{"n": 1}`) + wire(t, `{}`),
		"the member twice":                      message(1, message(1, "f")+message(2, member+member)),
		"an entry with two keys":                message(1, message(1, "f")+message(1, "f")+message(2, "")),
		"an entry with two values":              message(1, message(1, "f")+message(2, "")+message(2, "")),
		"an entry with something else":          message(1, message(1, "f")+message(2, "")+message(3, "")),
		"an entry with a number":                message(1, message(1, "f")+"\x10\x01"),
		"something broken beside what is asked": wire(t, `{"n": 1}`) + "\x0a",
		"no value":                              value(""),
		"no entry of a value":                   message(1, message(1, "f")+message(2, message(1, message(1, "n")))),
		"two values":                            value(text + text),
		"a value of no known kind":              value(message(7, "x")),
		"a string as a number":                  value("\x18\x01"),
		"a number as a string":                  value(message(2, "12345678")),
		"a short number":                        value("\x11\x00"),
		"a boolean of 2":                        value("\x20\x02"),
		"a null of 1":                           value("\x08\x01"),
		"a string that is not UTF-8":            value(message(3, "\xff")),
		"a list with something else":            value(message(6, message(2, text))),
		"a list with a number":                  value(message(6, "\x08\x01")),
		"a list with a broken element":          value(message(6, message(1, text)+message(1, ""))),
		"a list cut off":                        value(message(6, message(1, text)+"\x0a")),
	} {
		got, err := texts(metadata, "f", "n")
		assert.ErrorIs(t, err, attribute.ErrMessage, name)
		assert.Empty(t, got, "%s: nothing is yielded of what is broken", name)
	}
}

func TestFieldsThatAreNotTheMapArePassedOver(t *testing.T) {
	more := message(2, message(1, "f")+message(2, "x")) + "\x18\x01" + "\x25abcd" + "\x29abcdefgh"
	got, err := texts(more+wire(t, `{"n": "a"}`)+more, "f", "n")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, got)
}

func TestAFilterThatLeftNothing(t *testing.T) {
	got, err := texts(message(1, message(1, "f")), "f", "n")
	require.NoError(t, err)
	assert.Nil(t, got)
	_, err = texts(message(1, message(1, "f")), "f")
	assert.ErrorIs(t, err, attribute.ErrObject)
}

func TestYieldEndsIt(t *testing.T) {
	var got []string
	found, err := attribute.Texts(wire(t, `{"l": ["a", "b", "c"]}`), []string{"f", "l"}, func(text string) bool {
		got = append(got, text)
		return text != "b"
	})
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, []string{"a", "b"}, got)
}

func BenchmarkTexts(b *testing.B) { budget.Time(b, read) }

// The budgets are in docs/budgets.yaml.
func TestBudgets(t *testing.T) {
	budget.Check(t, map[string]budget.Benchmark{"Texts": read})
}

func read(b *budget.Runner) {
	metadata := wire(b, `{"corp": {"iss": "https://idp.example", "sub": "alice", "exp": 4102444800, "aud": ["database"],
		"scope": ["read", "write"]}}`)
	path := []string{"f", "corp", "scope"}
	b.Op("", func() {
		if found, err := attribute.Texts(metadata, path, func(string) bool { return true }); !found || err != nil {
			b.Fatal(err)
		}
	})
}
