package rbac

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Features calls yield for everything that the set makes use of, such as
// "paths prefix" or "when source.namespace notValues exact".
func (s *Set) Features(yield func(feature string)) {
	if s.DefaultAction != "" {
		yield("defaultAction " + s.DefaultAction)
	}
	if s.TrustDomains != nil {
		yield("trusted domains")
	}
	for _, p := range s.Policies {
		yield("action " + p.Action)
		if p.DryRun {
			yield("dryRun")
		}
		if p.Rules == nil {
			yield("no rules")
		}
		if len(p.Rules) > 1 {
			yield("several rules")
		}
		for _, r := range p.Rules {
			r.features(yield)
		}
	}
}

func (r *Rule) features(yield func(string)) {
	if r.From == nil && r.To == nil && r.When == nil {
		yield("empty rule")
	}
	for several, yes := range map[string]bool{"from": len(r.From) > 1, "to": len(r.To) > 1, "when": len(r.When) > 1} {
		if yes {
			yield("several " + several)
		}
	}
	for _, from := range r.From {
		fieldFeatures("", from.Source, yield)
	}
	for _, to := range r.To {
		fieldFeatures("", to.Operation, yield)
	}
	for _, c := range r.When {
		fieldFeatures("when "+c.Key+" ", c, yield)
	}
}

// fieldFeatures names the lists of a struct that are set, with the forms of
// what is in them.
func fieldFeatures(prefix string, of any, yield func(string)) {
	v := reflect.ValueOf(of)
	for i := range v.NumField() {
		patterns, ok := v.Field(i).Interface().([]string)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		for _, p := range patterns {
			yield(fmt.Sprintf("%s%s %s", prefix, name, form(p)))
		}
	}
}

// form is how a pattern is to be read.
func form(pattern string) string {
	switch {
	case pattern == "*":
		return "present"
	case strings.Contains(pattern, "{**}"):
		return "{**}"
	case strings.Contains(pattern, "{*}"):
		return "{*}"
	case strings.HasSuffix(pattern, "*"):
		return "prefix"
	case strings.HasPrefix(pattern, "*"):
		return "suffix"
	}
	return "exact"
}

// Features are what the sets must make use of between them.
func Features() []string {
	features := []string{
		"action ALLOW", "action DENY", "action AUDIT", "dryRun", "defaultAction allow", "trusted domains",
		"no rules", "empty rule", "several rules", "several from", "several to", "several when",
	}
	for field, from := range map[string][]string{
		"principals": principals, "namespaces": namespaces, "serviceAccounts": serviceAccounts, "trustDomains": trustDomains,
		"ipBlocks": ipBlocks, "hosts": hostPatterns, "ports": ports, "methods": methodPatterns, "paths": pathPatterns,
	} {
		not := "not" + strings.ToUpper(field[:1]) + field[1:]
		for _, pattern := range from {
			features = append(features, field+" "+form(pattern), not+" "+form(pattern))
		}
	}
	for _, key := range []string{
		"source.principal", "source.namespace", "source.serviceAccount", "connection.sni", "request.method", "request.headers[x-env]",
	} {
		features = append(features, "when "+key+" values prefix", "when "+key+" notValues suffix")
	}
	slices.Sort(features)
	return slices.Compact(features)
}
