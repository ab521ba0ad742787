package wire_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/palisade-mesh/palisade/filters/wire"
)

// FuzzNext compares the reading of a field with the protobuf project's.
func FuzzNext(f *testing.F) {
	f.Add(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "a"))
	f.Add(protowire.AppendFixed64(protowire.AppendTag(nil, 1<<28, protowire.Fixed64Type), 7))
	f.Add(protowire.AppendFixed32(protowire.AppendTag(nil, 2, protowire.Fixed32Type), 7))
	f.Add(protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), math.MaxUint64))
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})
	f.Add([]byte{0x08, 0xff})
	f.Add([]byte{0x0b, 0x0c})
	f.Fuzz(func(t *testing.T, message []byte) {
		got, rest, err := wire.Next(message)
		number, kind, n := protowire.ConsumeTag(message)
		size := -1
		if n > 0 && kind != protowire.StartGroupType && kind != protowire.EndGroupType {
			size = protowire.ConsumeFieldValue(number, kind, message[n:])
		}
		if size < 0 {
			if err == nil { // it has no bound on numbers
				assert.Greater(t, got.Number, uint64(protowire.MaxValidNumber))
			}
			return
		}
		require.NoError(t, err)
		assert.EqualValues(t, number, got.Number)
		assert.EqualValues(t, kind, got.Kind)
		assert.Equal(t, message[n+size:], rest)
		switch kind {
		case protowire.VarintType:
			want, _ := protowire.ConsumeVarint(message[n:])
			assert.Equal(t, want, got.Integer)
		case protowire.Fixed64Type:
			want, _ := protowire.ConsumeFixed64(message[n:])
			assert.Equal(t, want, got.Integer)
		case protowire.Fixed32Type:
			want, _ := protowire.ConsumeFixed32(message[n:])
			assert.EqualValues(t, want, got.Integer)
		case protowire.BytesType:
			want, _ := protowire.ConsumeBytes(message[n:])
			assert.Equal(t, want, got.Bytes)
		}
		same, _, err := wire.Next(string(message))
		require.NoError(t, err)
		assert.Equal(t, string(got.Bytes), same.Bytes)
	})
}

func TestAppend(t *testing.T) {
	for _, value := range []uint64{0, 1, 127, 128, 1 << 35, math.MaxUint64} {
		want := protowire.AppendVarint(protowire.AppendTag(nil, 300, protowire.VarintType), value)
		assert.Equal(t, want, wire.AppendInteger(nil, 300, value))
		assert.Equal(t, len(want), wire.SizeInteger(300, value))
	}
	for _, size := range []int{0, 1, 127, 128, 1 << 14} {
		value := make([]byte, size)
		want := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), value)
		assert.Equal(t, want, wire.AppendBytes(nil, 2, value))
		assert.Equal(t, want, wire.AppendBytes(nil, 2, string(value)))
		assert.Equal(t, len(want), wire.SizeBytes(2, size))
	}
}
