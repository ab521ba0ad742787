package authz

import (
	"github.com/palisade-mesh/palisade/filters/config"
	"github.com/palisade-mesh/palisade/filters/ipblock"
	"github.com/palisade-mesh/palisade/filters/match"
)

// Condition is a key that must have one of some values, and none of others, or a CEL expression that must be
// true.
type Condition struct {
	numbered
	key               Key
	values, notValues []match.String // nil: absent
	blocks, notBlocks []ipblock.Block
	cel               string
	path              string // where it stands, for what only Compile can find wrong
	expression        uint32 // compiled CEL
}

func (d *decoder) condition(n config.Node) *Condition {
	o := n.Object("key", "values", "notValues", "cel")
	if cel := o.Get("cel"); cel.Present() {
		if o.Len() > 1 {
			n.Mistake("a condition is a key with values or notValues, or cel, not both")
		}
		return &Condition{cel: cel.String(""), path: cel.Path()}
	}
	key := o.Require("key", `"request.auth.claims[scope]"`)
	c := &Condition{}
	if !o.Get("values").Present() && !o.Get("notValues").Present() {
		n.Mistake("a condition has values or notValues")
	}
	if text := key.String(""); text != "" {
		var err error
		if c.key, err = ParseKey(text); err != nil {
			key.Mistake("found \"" + text + "\": " + err.Error())
			return c
		}
	}
	decode := patterns
	switch c.key.kind {
	case keySourceIP, keyRemoteIP, keyDestinationIP:
		c.blocks = config.Compile(o.Get("values"), ipblock.Parse)
		c.notBlocks = config.Compile(o.Get("notValues"), ipblock.Parse)
		return c
	case keySourcePrincipal:
		decode = d.principals // with or without spiffe://, as in a source
	}
	c.values, c.notValues = decode(o.Get("values")), decode(o.Get("notValues"))
	return c
}

// match tries the condition: values wants one that matches, notValues wants none.
func (c *Condition) match(s *subject, in intent) mismatch {
	if c.cel != "" {
		return c.evaluate(s, in)
	}
	if c.blocks != nil || c.notBlocks != nil {
		return c.matchAddress(s, in)
	}
	t := &s.tally
	*t = tally{condition: c}
	if err := s.values(&c.key, t); err != nil {
		return unknown(c.key.text, err, in)
	}
	// Of values on which readers may disagree, as of a repeated header, one is enough to deny, and each is needed
	// to allow. A condition with notValues is met by a value that is none of them.
	m := mismatch{part: c.key.text, found: t.first, absent: t.n == 0, secret: c.key.secret()}
	if c.values != nil && !t.has(t.wanted, c.key.repeatable() && in == allowing) {
		return m
	}
	if c.notValues != nil && t.has(t.unwanted, c.key.repeatable() && in == denying) {
		return m
	}
	return mismatch{ok: true}
}

func (c *Condition) matchAddress(s *subject, in intent) mismatch {
	which := addressSource
	switch c.key.kind {
	case keyRemoteIP:
		which = addressRemote
	case keyDestinationIP:
		which = addressDestination
	}
	found, is, err := s.isAddress(c.blocks, which)
	if err == nil && c.notBlocks != nil {
		var not bool
		_, not, err = s.isAddress(c.notBlocks, which)
		is = (is || c.blocks == nil) && !not
	}
	switch {
	case err != nil:
		return unknown(c.key.text, err, in)
	case !is:
		return mismatch{part: c.key.text, found: found, absent: found == ""}
	}
	return mismatch{ok: true}
}

func (c *Condition) evaluate(s *subject, in intent) mismatch {
	yes, err := s.policy.expressions.Evaluate(c.expression)
	switch {
	case err != nil:
		return unknown("cel \""+c.cel+"\"", err, in)
	case !yes:
		return mismatch{part: "cel \"" + c.cel + "\"", found: "false"}
	}
	return mismatch{ok: true}
}

// tally counts a request's values for a condition as they come, so that they need not be kept.
type tally struct {
	condition        *Condition
	n                int
	wanted, unwanted int    // how many match values, notValues
	first            string // for the explanation

	index *match.Index // or it looks the values up
	hits  []uint32
}

// Add implements claimset.Sink.
func (t *tally) Add(value string) {
	if t.index != nil {
		t.hits = t.index.Append(t.hits, value)
		return
	}
	if t.n++; t.n == 1 {
		t.first = value
	}
	if match.Any(t.condition.values, value) {
		t.wanted++
	}
	if match.Any(t.condition.notValues, value) {
		t.unwanted++
	}
}

// addIf adds a value that may be empty, which is none.
func (t *tally) addIf(value string) {
	if value != "" {
		t.Add(value)
	}
}

// has tells whether one of the values was among the counted ones, or with all whether each was.
func (t *tally) has(counted int, all bool) bool {
	if all {
		return t.n > 0 && counted == t.n
	}
	return counted > 0
}

// exact are the condition's values if one of them has to be equal to one of the request's.
func (c *Condition) exact() []match.String {
	for _, v := range c.values {
		if !v.IsEqual() {
			return nil
		}
	}
	return c.values
}
