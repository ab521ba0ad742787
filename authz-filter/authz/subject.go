package authz

import (
	"github.com/palisade-mesh/palisade/filters/claimset"
	"github.com/palisade-mesh/palisade/filters/match"
	"github.com/palisade-mesh/palisade/filters/operation"
	"github.com/palisade-mesh/palisade/filters/query"
	"github.com/palisade-mesh/palisade/filters/request"
)

// Operation is what is asked for.
type Operation struct {
	numbered
	operation.Operation
}

// subject is one request with who asks. What no rule needs is not asked of the host.
type subject struct {
	policy    *Policy
	request   *request.Request
	path      string // normal form
	other     string // the same without parameters, as some read it; "" if there are none
	workload  *workload
	claims    claimset.Sets
	addresses [addresses]address

	tally tally // of the condition at hand
}

// isRequestPrincipal tells whether a verified token of the request has one of some principals.
func (s *subject) isRequestPrincipal(patterns []match.String) (found string, is bool, err error) {
	if s.claims.Err != nil {
		return "", false, s.claims.Err
	}
	for i := range s.claims.List {
		p := s.claims.List[i].Principal
		if p != "" && match.Any(patterns, p) {
			return p, true, nil
		}
	}
	return s.claims.Principal(), false, nil
}

// values counts the request's values of a key.
func (s *subject) values(k *Key, t *tally) error {
	switch k.kind {
	case keyHeader:
		s.headerValues(k.name, t)
	case keyQuery:
		return s.queryValues(k.name, t)
	case keyMethod:
		t.addIf(s.request.Method())
	case keySourcePrincipal:
		t.addIf(s.workload.name)
	case keySourceNamespace:
		t.addIf(s.workload.namespace)
	case keySourceServiceAccount:
		t.addIf(s.workload.qualified)
	case keySNI:
		return s.property(request.PropertySNI, t)
	case keyDestinationPort:
		port, err := operation.DestinationPort(s.request)
		if err != nil {
			return err
		}
		t.Add(port)
	default:
		return s.claimValues(k, t)
	}
	return nil
}

// queryValues is on its own because what a function literal refers to is allocated.
func (s *subject) queryValues(name string, t *tally) error {
	return query.Values(s.request.Target(), name, func(value string) bool {
		t.Add(value)
		return true
	})
}

func (s *subject) headerValues(name string, t *tally) {
	if name == ":authority" {
		t.addIf(s.request.Host())
		return
	}
	headers := s.request.Headers()
	for i := range headers {
		if headers[i][0] == name {
			t.Add(headers[i][1])
		}
	}
}

func (s *subject) property(path []string, t *tally) error {
	value, found, err := s.request.Property(path)
	if err == nil && found {
		t.addIf(value)
	}
	return err
}

var audience, presenter = []string{"aud"}, []string{"azp"}

// claimValues counts the values of a claim in each set.
func (s *subject) claimValues(k *Key, t *tally) error {
	if s.claims.Err != nil {
		return s.claims.Err
	}
	path := k.path
	switch k.kind {
	case keyAuthPrincipal:
		for i := range s.claims.List {
			t.addIf(s.claims.List[i].Principal)
		}
		return nil
	case keyAuthAudiences:
		path = audience
	case keyAuthPresenter:
		path = presenter
	}
	for i := range s.claims.List {
		if err := s.claims.List[i].Values(path, t); err != nil {
			return err
		}
	}
	return nil
}
