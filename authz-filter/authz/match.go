package authz

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/request"
)

// intent is what a match is for. Where a condition cannot be evaluated, or the values of a repeated header
// disagree, it decides: doubt never allows, and always denies.
type intent bool

const (
	allowing intent = false
	denying  intent = true
)

// mismatch is how a rule fared.
type mismatch struct {
	ok      bool
	doubted bool   // matched only because something could not be evaluated (denying)
	met     int    // how many of the rule's parts matched: the more, the nearer
	part    string // the first that did not: "principals", "paths", "request.auth.claims[scope]"
	found   string // the request's value
	absent  bool   // the request has no such value
	secret  bool   // found may be a token or a cookie, and is not to be repeated
	err     error  // or it could not be evaluated
}

// String says what failed, in words.
func (m mismatch) String() string {
	switch {
	case m.err != nil:
		return m.part + " could not be evaluated: " + m.err.Error()
	case m.absent:
		return m.part + " does not match: the request has none"
	case m.secret:
		return m.part + " does not match the request's value"
	}
	return m.part + " does not match \"" + m.found + "\""
}

func (m mismatch) doubt() string {
	if m.doubted {
		return ", because " + m.part + " could not be evaluated"
	}
	return ""
}

// match tries sources, operations, conditions, in this order: a stranger is told that he is one, not which
// paths there are.
func (r *RuleConfig) match(s *subject, in intent) mismatch {
	var m mismatch
	for _, part := range [...]func(*subject, intent) mismatch{r.matchFrom, r.matchTo, r.matchWhen} {
		if m = m.and(part(s, in)); !m.ok {
			return m
		}
	}
	return m
}

// and is how a rule fares of which one part matched, by the next part. The first doubt is the one that is told.
func (m mismatch) and(next mismatch) mismatch {
	next.met += m.met
	if next.ok && m.doubted {
		next.doubted, next.part, next.err = true, m.part, m.err
	}
	return next
}

func (r *RuleConfig) matchFrom(s *subject, in intent) mismatch {
	return firstOf(len(r.From), func(i int) mismatch { return r.From[i].match(s, in) })
}

func (r *RuleConfig) matchTo(s *subject, in intent) mismatch {
	return firstOf(len(r.To), func(i int) mismatch {
		f, ok, err := r.To[i].Match(s.request, s.path)
		switch {
		case err != nil:
			return unknown("ports", err, in)
		case ok:
			return mismatch{ok: true, met: 2}
		}
		m := mismatch{part: f.Field, found: f.Found, absent: f.Found == ""}
		if f.Field == "hosts" || f.Field == "ports" || f.Field == "notHosts" || f.Field == "notPorts" {
			m.met = 1 // the method and path were right: nearer than those whose were not
		}
		return m
	})
}

func (r *RuleConfig) matchWhen(s *subject, in intent) mismatch {
	m := mismatch{ok: true}
	for i := range r.When {
		if m = m.and(r.When[i].match(s, in)); !m.ok {
			return m
		}
		m.met++
	}
	return m
}

// firstOf is the first alternative that matches, else the nearest. None at all match anything.
func firstOf(n int, try func(int) mismatch) mismatch {
	if n == 0 {
		return mismatch{ok: true}
	}
	var best mismatch
	for i := range n {
		m := try(i)
		if m.ok {
			return m
		}
		if i == 0 || m.met > best.met {
			best = m
		}
	}
	return best
}

func unknown(part string, err error, in intent) mismatch {
	return mismatch{ok: in == denying, doubted: in == denying, part: part, err: err}
}

func (c *SourceConfig) match(s *subject, in intent) mismatch {
	namespace, account, isAccount := s.peer.ServiceAccount()
	qualified := ""
	if c.ServiceAccounts != nil || c.NotServiceAccounts != nil { // joining allocates
		qualified = joinAccount(namespace, account, isAccount)
	}
	for _, f := range [...]struct {
		part      string
		want, not []match.String
		value     string
		also      string // a second form of the value
	}{
		{"principals", c.Principals, c.NotPrincipals, s.peer.Name(), ""},
		{"namespaces", c.Namespaces, c.NotNamespaces, namespace, ""},
		{"serviceAccounts", c.ServiceAccounts, c.NotServiceAccounts, qualified, account},
		{"trustDomains", c.TrustDomains, c.NotTrustDomains, s.peer.TrustDomain(), ""},
	} {
		is := func(patterns []match.String) bool {
			return f.value != "" && match.Any(patterns, f.value) || f.also != "" && match.Any(patterns, f.also)
		}
		if f.want != nil && !is(f.want) {
			return mismatch{part: f.part, found: f.value, absent: f.value == ""}
		}
		// Nobody is none of them, as in Istio.
		if is(f.not) {
			return mismatch{part: negated(f.part), found: f.value}
		}
	}
	return c.matchRequestPrincipals(s, in)
}

func (c *SourceConfig) matchRequestPrincipals(s *subject, in intent) mismatch {
	if c.RequestPrincipals == nil && c.NotRequestPrincipals == nil {
		return mismatch{ok: true, met: 1}
	}
	if s.claimsErr != nil {
		return unknown("requestPrincipals", s.claimsErr, in)
	}
	first := s.firstPrincipal()
	found, excluded := false, false
	for i := range s.claims {
		p := s.claims[i].principal
		found = found || p != "" && match.Any(c.RequestPrincipals, p)
		excluded = excluded || p != "" && match.Any(c.NotRequestPrincipals, p)
	}
	switch {
	case c.RequestPrincipals != nil && !found:
		return mismatch{part: "requestPrincipals", found: first, absent: first == ""}
	case excluded:
		return mismatch{part: "notRequestPrincipals", found: first}
	}
	return mismatch{ok: true, met: 1}
}

func joinAccount(namespace, account string, ok bool) string {
	if !ok {
		return ""
	}
	return namespace + "/" + account
}

func negated(field string) string { return "not" + strings.ToUpper(field[:1]) + field[1:] }

// match tries one condition. values wants one that matches, notValues wants none.
func (c *ConditionConfig) match(s *subject, in intent) mismatch {
	if c.CEL != "" {
		return c.evaluate(s, in)
	}
	var v values
	if err := s.values(c.Key, &v); err != nil {
		return unknown(c.Key.text, err, in)
	}
	// Of a repeated header's values, on which readers may disagree, one is enough to deny, and each is
	// needed to allow. A condition with notValues is met by a value that is none of them.
	doubtful := v.repeatable
	if c.Values != nil && !v.match(c.Values, doubtful && in == allowing) {
		return mismatch{part: c.Key.text, found: v.first, absent: v.n == 0, secret: c.Key.kind == keyHeader}
	}
	if c.NotValues != nil && v.match(c.NotValues, doubtful && in == denying) {
		return mismatch{part: c.Key.text, found: v.first, secret: c.Key.kind == keyHeader}
	}
	return mismatch{ok: true}
}

func (c *ConditionConfig) evaluate(s *subject, in intent) mismatch {
	yes, err := s.expressions.Evaluate(c.expression)
	switch {
	case err != nil:
		return unknown("cel \""+c.CEL+"\"", err, in)
	case !yes:
		return mismatch{part: "cel \"" + c.CEL + "\"", found: "false"}
	}
	return mismatch{ok: true}
}

// values are what a request has under a key. Most have one; the first is kept for the explanation.
type values struct {
	n          int
	first      string
	rest       []string
	repeatable bool // several header values, on which readers may disagree, rather than one set
}

func (v *values) add(s string) bool {
	if v.n++; v.n == 1 {
		v.first = s
	} else {
		v.rest = append(v.rest, s)
	}
	return true
}

// match tells whether a value matches, or with all whether each does. No value never matches.
func (v *values) match(patterns []match.String, all bool) bool {
	if v.n == 0 {
		return false
	}
	if match.Any(patterns, v.first) != all {
		return !all
	}
	for _, s := range v.rest {
		if match.Any(patterns, s) != all {
			return !all
		}
	}
	return all
}

func (s *subject) values(k Key, v *values) error {
	switch k.kind {
	case keyHeader:
		v.repeatable = true
		if k.name == ":authority" {
			return addIf(v, s.request.Host())
		}
		s.request.Header(k.name, v.add)
	case keyMethod:
		return addIf(v, s.request.Method())
	case keySourcePrincipal:
		return addIf(v, s.peer.Name())
	case keySourceNamespace, keySourceServiceAccount:
		namespace, account, ok := s.peer.ServiceAccount()
		if !ok {
			return nil
		}
		if k.kind == keySourceNamespace {
			return addIf(v, namespace)
		}
		return addIf(v, joinAccount(namespace, account, ok))
	case keySNI:
		sni, found, err := s.request.Property(request.PropertySNI)
		if err != nil || !found {
			return err
		}
		return addIf(v, sni)
	default:
		return s.claimValues(k, v)
	}
	return nil
}

func (s *subject) claimValues(k Key, v *values) error {
	if s.claimsErr != nil {
		return s.claimsErr
	}
	for i := range s.claims {
		set := &s.claims[i]
		var c gjson.Result
		var ok bool
		switch k.kind {
		case keyAuthPrincipal:
			_ = addIf(v, set.principal)
			continue
		case keyAuthAudiences:
			c, ok = jsonstrict.Member(set.claims, "aud")
		case keyAuthPresenter:
			c, ok = jsonstrict.Member(set.claims, "azp")
		default:
			c, ok = claims.Path(set.claims, k.path)
		}
		if ok {
			claims.Any(c, func(text string) bool { return !v.add(text) })
		}
	}
	return nil
}

func addIf(v *values, s string) error {
	if s != "" {
		v.add(s)
	}
	return nil
}
