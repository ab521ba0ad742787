package match

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
	h := uint32(len(s))
	for i := 0; i < len(s); i += 1 + len(s)/32 {
		h = h*31 + uint32(s[i])
	}
	for i := max(0, len(s)-16); i < len(s); i++ {
		h = h*31 + uint32(s[i])
	}
	return h
}
