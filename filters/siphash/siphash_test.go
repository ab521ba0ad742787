package siphash_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	library "github.com/dchest/siphash"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/siphash"
)

// The first vectors of the reference implementation (vectors_sip128 in vectors.h, CC0): the digests of 0, 1, 2 ... bytes that
// count up, under a key whose bytes count up.
func TestVectors(t *testing.T) {
	key := counting(16)
	k0, k1 := binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])
	for n, want := range []string{
		"a3817f04ba25a8e66df67214c7550293",
		"da87c1d86b99af44347659119b22fc45",
		"8177228da4a45dc7fca38bdef60affe4",
	} {
		low, high := siphash.Hash128(k0, k1, counting(n))
		digest := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, low), high)
		assert.Equal(t, want, hex.EncodeToString(digest), "%d bytes", n)
	}
}

func counting(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestLikeALibrary(t *testing.T) {
	text := counting(1200)
	for n := range text {
		k0, k1 := uint64(n)*0x9e3779b97f4a7c15, ^uint64(n)
		wantLow, wantHigh := library.Hash128(k0, k1, text[n/3:n])
		low, high := siphash.Hash128(k0, k1, text[n/3:n])
		require.Equal(t, [2]uint64{wantLow, wantHigh}, [2]uint64{low, high}, "%d bytes", n)
	}
}

func FuzzHash128(f *testing.F) {
	f.Add(uint64(1), uint64(2), "text of some length")
	f.Fuzz(func(t *testing.T, k0, k1 uint64, text string) {
		wantLow, wantHigh := library.Hash128(k0, k1, []byte(text))
		low, high := siphash.Hash128(k0, k1, []byte(text))
		require.Equal(t, [2]uint64{wantLow, wantHigh}, [2]uint64{low, high})
	})
}

func BenchmarkHash128(b *testing.B) {
	text := counting(768)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		siphash.Hash128(1, 2, text)
	}
}
