package waf

import (
	"strings"

	"github.com/palisade-mesh/palisade/waf-filter/screen"
)

// known are values that were looked at before: names of fields, headers of browsers, and the like, come again and again. What it has
// of a value holds for it whoever sends it, in whatever place, because it is compared whole and a rule's match depends on nothing else.
// It is bounded, and who fills it with other values only makes it useless.
type known struct {
	slots [slotCount]knownValue
}

const (
	slotCount = 2048
	// maxKnown is how long a value may be that is kept.
	maxKnown = 160
	// maxUses bounds for how many others a value that came again is kept.
	maxUses = 15
)

type knownValue struct {
	value   string
	uses    uint8
	judged  screen.Bits // rules of which it is known whether they match
	matched screen.Bits // those of them that do
}

// find gives what is known of a value, in a slot that may be new. nil: it is not kept.
func (k *known) find(value string, rules int) *knownValue {
	if len(value) > maxKnown || len(value) == 0 {
		return nil
	}
	hash := uint32(2166136261) // FNV-1a
	for i := range len(value) {
		hash = (hash ^ uint32(value[i])) * 16777619
	}
	v := &k.slots[(hash^hash>>16)%slotCount]
	switch {
	case v.value == value:
		v.uses = min(v.uses+1, maxUses)
	case v.uses > 0:
		v.uses--
		return nil
	case v.judged == nil:
		v.value, v.judged, v.matched = strings.Clone(value), screen.NewBits(rules), screen.NewBits(rules)
	default:
		v.value = strings.Clone(value)
		clear(v.judged)
		clear(v.matched)
	}
	return v
}
