package waf

import "fmt"

func (t *Transaction) DebugMay() string {
	if t.set == nil || t.set.screening == nil {
		return ""
	}
	s := t.set.screening
	out := ""
	for i := range s.rules {
		if s.may.Has(i) && s.rules[i].level <= 1 && !s.rules[i].opaque {
			out += fmt.Sprint(" ", s.rules[i].id)
		}
	}
	return out
}
