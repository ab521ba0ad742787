package authz

// intent is what a match is for. Where a condition cannot be evaluated, or the values of a repeated header
// disagree, it decides: doubt never allows, and always denies.
type intent bool

const (
	allowing intent = false
	denying  intent = true
)

// mismatch is how a part of a rule fared, or several.
type mismatch struct {
	ok      bool
	doubted bool   // matched only because something could not be evaluated (denying)
	near    bool   // of an operation that does not match: the path and the host did
	met     int    // how many parts of this kind held before the first that did not
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

// and is how a rule fares of which one part matched, by the next part. The first doubt is the one that is told.
func (m mismatch) and(next mismatch) mismatch {
	next.met += m.met
	if next.ok && m.doubted {
		next.doubted, next.part, next.err = true, m.part, m.err
	}
	return next
}

func unknown(part string, err error, in intent) mismatch {
	return mismatch{ok: in == denying, doubted: in == denying, part: part, err: err}
}

// explain says how a rule fares, in full: sources before operations before conditions. Only a rule that is going
// to be named is worth it.
func (r *RuleConfig) explain(s *subject, in intent) mismatch {
	m := firstOf(r.From, s, in)
	if m.ok {
		m = m.and(firstOf(r.To, s, in))
	}
	for _, c := range r.When {
		if !m.ok {
			break
		}
		m = m.and(c.match(s, in))
	}
	return m
}

// firstOf is the first alternative that matches, else the one of which most held. None at all match anything.
func firstOf[P part](alternatives []P, s *subject, in intent) mismatch {
	if len(alternatives) == 0 {
		return mismatch{ok: true}
	}
	var best mismatch
	for i, a := range alternatives {
		m := a.match(s, in)
		if m.ok {
			return m
		}
		if i == 0 || m.near && !best.near || m.near == best.near && m.met > best.met {
			best = m
		}
	}
	return best
}

// match tries the operation on the path. If readers disagree on that, one reading is enough to deny, and both are
// needed to allow.
func (o *Operation) match(s *subject, in intent) mismatch {
	m := o.matchPath(s, s.path, in)
	if s.other != "" && m.ok == (in == allowing) {
		return o.matchPath(s, s.other, in)
	}
	return m
}

func (o *Operation) matchPath(s *subject, path string, in intent) mismatch {
	f, ok, err := o.Match(s.request, path)
	switch {
	case err != nil:
		m := unknown("ports", err, in)
		m.near = true
		return m
	case ok:
		return mismatch{ok: true}
	}
	return mismatch{part: f.Field, found: f.Found, absent: f.Found == "", near: f.Near}
}
