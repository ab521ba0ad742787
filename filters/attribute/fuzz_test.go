package attribute_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/palisade-mesh/palisade/filters/attribute"
)

// What we read, the protobuf library reads, too, and the same.
func FuzzTexts(f *testing.F) {
	for _, object := range []string{
		`{"a": {"b": "c"}}`, `{"a": ["x", 1, true, null]}`, `{"a": 1.5}`, `{"a": []}`, `{"a": {"b": {"c": [""]}}}`, `{"a": 1e-7}`,
	} {
		f.Add([]byte(wire(f, object)), "f/a/b")
		f.Add([]byte(wire(f, object)), "f/a")
	}
	f.Fuzz(func(t *testing.T, wire []byte, path string) {
		steps := strings.Split(path, "/")
		got, err := texts(string(wire), steps...)
		if err != nil {
			require.Empty(t, got)
			return
		}
		want, ok, err := oracle(wire, steps)
		if !ok {
			return // broken where we did not look
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// What the protobuf library writes, we read.
func FuzzJSON(f *testing.F) {
	for _, object := range []string{
		`{"a": {"b": "c"}, "d": 1}`, `{"a": ["x", 1, true, null]}`, `{"a": 9007199254740992}`, `{"": {"": ""}}`, `{"a": [[]], "b": {}}`,
	} {
		f.Add([]byte(object), "a/b")
		f.Add([]byte(object), "a")
	}
	f.Fuzz(func(t *testing.T, object []byte, path string) {
		var members map[string]any
		if json.Unmarshal(object, &members) != nil {
			return
		}
		if _, err := structpb.NewStruct(members); err != nil {
			return
		}
		wire := wire(t, string(object))
		steps := append([]string{"f"}, strings.Split(path, "/")...)
		want, ok, wantErr := oracle([]byte(wire), steps)
		require.True(t, ok)
		got, err := texts(wire, steps...)
		require.Equal(t, wantErr, err)
		if err == nil {
			require.Equal(t, want, got)
		}
	})
}

// oracle is Texts by way of the protobuf library; ok is false if that cannot read the message.
func oracle(wire []byte, path []string) (want []string, ok bool, err error) {
	var filter []byte
	found := false
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		size := protowire.ConsumeFieldValue(number, kind, wire[max(n, 0):])
		if n < 0 || size < 0 {
			return nil, false, nil
		}
		if number == 1 {
			entry, _ := protowire.ConsumeBytes(wire[n:])
			// An entry has the form of an Any: a string, and bytes.
			var pair anypb.Any
			if proto.Unmarshal(entry, &pair) != nil {
				return nil, false, nil
			}
			if pair.GetTypeUrl() == path[0] {
				filter, found = pair.GetValue(), true
			}
		}
		wire = wire[n+size:]
	}
	if !found {
		return nil, true, nil
	}
	var fields structpb.Struct
	if proto.Unmarshal(filter, &fields) != nil {
		return nil, false, nil
	}
	v := structpb.NewStructValue(&fields)
	for _, name := range path[1:] {
		object, isObject := v.GetKind().(*structpb.Value_StructValue)
		if !isObject {
			return nil, true, nil
		}
		if v = object.StructValue.GetFields()[name]; v == nil {
			return nil, true, nil
		}
	}
	list, isList := v.GetKind().(*structpb.Value_ListValue)
	if !isList {
		list = &structpb.Value_ListValue{ListValue: &structpb.ListValue{Values: []*structpb.Value{v}}}
	}
	want = []string{}
	for _, element := range list.ListValue.GetValues() {
		switch k := element.GetKind().(type) {
		case *structpb.Value_StringValue:
			want = append(want, k.StringValue)
		case *structpb.Value_StructValue, *structpb.Value_ListValue:
			return nil, true, attribute.ErrObject
		default:
			if n, isNumber := k.(*structpb.Value_NumberValue); isNumber {
				if !(math.Abs(n.NumberValue) < 1<<53) {
					return nil, true, attribute.ErrNumber
				}
				if n.NumberValue == 0 {
					n.NumberValue = 0 // not -0
				}
			}
			text, err := json.Marshal(element.AsInterface())
			if err != nil {
				return nil, true, err
			}
			want = append(want, string(text))
		}
	}
	return want, true, nil
}
