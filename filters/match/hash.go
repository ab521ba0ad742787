package match

import (
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/ascii"
)

// Hash is the same for the same pattern, and mostly another for another.
func (s String) Hash() uint32 { return hash(offset^uint32(s.kind), s.text) }

// Hash is the same for the same pattern, and mostly another for another.
func (h Host) Hash() uint32 { return h.pattern.Hash() }

// Hash is the same for the same pattern, and mostly another for another.
func (p Path) Hash() uint32 {
	if !p.template {
		return p.text.Hash()
	}
	h := hash(offset, p.head)
	if p.rest {
		h = hash(hash(h, anyRest), p.tail)
	}
	return h
}

// FNV-1a.
const offset, prime = uint32(2166136261), 16777619

func hash(h uint32, s string) uint32 {
	for i := 0; i < len(s); i++ {
		h = (h ^ uint32(s[i])) * prime
	}
	return h
}

// Spread spreads names over slots by their length and some of their bytes: it only decides what is remembered.
func Spread(s string) uint32 {
	if len(s) < 8 {
		return hash(offset, s)
	}
	const samples = 8
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	h := uint64(0)
	last := len(s) - 8
	for i := 0; i <= last; i += 1 + last/samples {
		h = mix(h, ascii.Word(b, i))
	}
	h = mix(mix(h, ascii.Word(b, max(0, last-8))), ascii.Word(b, last))
	return uint32(mix(h, uint64(len(s))) >> 32)
}

// mix needs another one after it: the highest bits of a word get no further than to the highest of h, and to some of the lowest.
func mix(h, word uint64) uint64 {
	h = (h ^ word) * 0x9e3779b97f4a7c15
	return h ^ h>>32
}
