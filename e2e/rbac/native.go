package rbac

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/e2e/envoy"
)

type object = map[string]any
type list = []any

// Native is the set as Envoy's rbac filters: one that denies, then one that
// allows and, as it does without a policy that matches, denies the rest.
func (s *Set) Native() []envoy.Extension {
	filters := []envoy.Extension{s.filter("DENY")}
	if s.DefaultAction != "allow" {
		filters = append(filters, s.filter("ALLOW"))
	}
	return filters
}

func (s *Set) filter(action string) envoy.Extension {
	policies := object{}
	for _, p := range s.Policies {
		if p.Action != action || p.DryRun {
			continue
		}
		for i, r := range p.Rules {
			policies[fmt.Sprintf("%s-%d", p.Name, i)] = s.rule(r)
		}
	}
	return envoy.Extension{
		Name: "envoy.filters.http.rbac", Type: "envoy.extensions.filters.http.rbac.v3.RBAC",
		Config: object{"rules": object{"action": action, "policies": policies}},
	}
}

// rule is a rule as an rbac policy: its principals and its permissions must
// both match.
func (s *Set) rule(r Rule) object {
	var sources, operations list
	for _, from := range r.From {
		sources = append(sources, s.source(from.Source))
	}
	for _, to := range r.To {
		operations = append(operations, operation(to.Operation))
	}
	principals, permissions := list{principal.or(sources)}, list{permission.or(operations)}
	for _, c := range r.When {
		if strings.HasPrefix(c.Key, "source.") {
			principals = append(principals, principal.field(c.Values, c.NotValues, s.sourceKey(c.Key))...)
		} else {
			permissions = append(permissions, permission.field(c.Values, c.NotValues, requestKey(c.Key))...)
		}
	}
	return object{"principals": list{principal.and(principals)}, "permissions": list{permission.and(permissions)}}
}

func (s *Set) source(from Source) object {
	var all list
	all = append(all, principal.field(from.Principals, from.NotPrincipals, s.peer(name))...)
	all = append(all, principal.field(from.Namespaces, from.NotNamespaces, s.peer(namespace))...)
	all = append(all, principal.field(from.ServiceAccounts, from.NotServiceAccounts, s.peer(serviceAccount))...)
	all = append(all, principal.field(from.TrustDomains, from.NotTrustDomains, s.peer(trustDomain))...)
	all = append(all, principal.field(from.IPBlocks, from.NotIPBlocks, ipBlock)...)
	return principal.and(all)
}

func (s *Set) sourceKey(key string) func(string) object {
	switch key {
	case "source.principal":
		return s.peer(name)
	case "source.namespace":
		return s.peer(namespace)
	case "source.serviceAccount":
		return s.peer(serviceAccount)
	}
	panic("rbac: no translation for " + key)
}

func operation(op Operation) object {
	var all list
	all = append(all, permission.field(op.Hosts, op.NotHosts, host)...)
	all = append(all, permission.field(op.Ports, op.NotPorts, port)...)
	all = append(all, permission.field(op.Methods, op.NotMethods, header(":method"))...)
	all = append(all, permission.field(op.Paths, op.NotPaths, path)...)
	return permission.and(all)
}

func requestKey(key string) func(string) object {
	if key == "connection.sni" {
		return func(pattern string) object { return object{"requested_server_name": stringMatcher(pattern)} }
	}
	if key == "request.method" {
		return header(":method")
	}
	name, ok := strings.CutPrefix(key, "request.headers[")
	if !ok {
		panic("rbac: no translation for " + key)
	}
	return header(strings.TrimSuffix(name, "]"))
}

// side is one of the two halves of an rbac policy, which say the same with
// different words.
type side struct{ list, item string }

var (
	principal  = side{"ids", "id"}
	permission = side{"rules", "rule"}
)

func (s side) and(all list) object {
	if len(all) == 0 {
		return object{"any": true}
	}
	return object{"and_" + s.list: object{s.list: all}}
}

func (s side) or(all list) object {
	if len(all) == 0 {
		return object{"any": true}
	}
	return object{"or_" + s.list: object{s.list: all}}
}

// field is a field and its not form: one of some values, and none of others.
func (s side) field(values, notValues []string, of func(string) object) list {
	var all list
	if values != nil {
		all = append(all, s.or(each(values, of)))
	}
	if notValues != nil {
		all = append(all, object{"not_" + s.item: s.or(each(notValues, of))})
	}
	return all
}

func each(values []string, of func(string) object) list {
	var all list
	for _, v := range values {
		all = append(all, of(v))
	}
	return all
}

// peer matches the peer's SPIFFE ID by a regular expression, if it belongs to
// a trusted domain.
func (s *Set) peer(expression func(pattern string) string) func(string) object {
	return func(pattern string) object {
		is := authenticated(expression(pattern))
		if s.TrustDomains == nil {
			return is
		}
		return principal.and(list{is, principal.or(each(s.TrustDomains, func(d string) object {
			return authenticated(trustDomain(d))
		}))})
	}
}

func authenticated(expression string) object {
	return object{"authenticated": object{"principal_name": regex("spiffe://" + expression)}}
}

func name(pattern string) string { return expression(strings.TrimPrefix(pattern, "spiffe://"), ".") }

func trustDomain(pattern string) string { return expression(pattern, "[^/]") + "/.+" }

func namespace(pattern string) string {
	return "[^/]+/ns/" + expression(pattern, "[^/]") + "/sa/[^/]+"
}

// serviceAccount is "namespace/account" or, as far as the pattern says nothing
// about a namespace, "account".
func serviceAccount(pattern string) string {
	if ns, account, ok := strings.Cut(pattern, "/"); ok {
		// The star of a prefix is in the account, that of a suffix in the namespace.
		return "[^/]+/ns/" + expression(ns, "[^/]") + "/sa/" + expression(account, "[^/]")
	}
	account := "[^/]+/ns/[^/]+/sa/" + expression(pattern, "[^/]")
	if form(pattern) == "prefix" { // it may be that of a namespace as well
		return "(" + account + "|" + namespace(pattern) + ")"
	}
	return account
}

// expression is a string match as a regular expression, in which a star stands
// for any number of a class of characters.
func expression(pattern, class string) string {
	switch form(pattern) {
	case "present":
		return class + "+"
	case "prefix":
		return regexp.QuoteMeta(strings.TrimSuffix(pattern, "*")) + class + "*"
	case "suffix":
		return class + "*" + regexp.QuoteMeta(strings.TrimPrefix(pattern, "*"))
	}
	return regexp.QuoteMeta(pattern)
}

func ipBlock(block string) object {
	p, err := netip.ParsePrefix(block)
	if err != nil {
		address := netip.MustParseAddr(block)
		p = netip.PrefixFrom(address, address.BitLen())
	}
	return object{"remote_ip": object{"address_prefix": p.Addr().String(), "prefix_len": p.Bits()}}
}

// host ignores case, a trailing dot and, unless the pattern has one, the port.
func host(pattern string) object {
	const class = `(\[[^]]*\]|[^:])` // an IPv6 address has its colons in brackets
	name, port, ok := strings.Cut(pattern, ":")
	expr := "(?i)" + expression(name, class) + `\.?`
	if ok {
		expr += ":" + port
	} else {
		expr += "(:[0-9]+)?"
	}
	return object{"header": object{"name": ":authority", "string_match": regex(expr)}}
}

func port(text string) object {
	number, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return object{"destination_port": number}
}

func header(name string) func(string) object {
	return func(pattern string) object {
		return object{"header": object{"name": name, "string_match": stringMatcher(pattern)}}
	}
}

func path(pattern string) object {
	if f := form(pattern); f != "{*}" && f != "{**}" {
		return object{"url_path": object{"path": stringMatcher(pattern)}}
	}
	template := strings.NewReplacer("{**}", "**", "{*}", "*").Replace(pattern)
	return object{"uri_template": object{
		"name": "envoy.path.match.uri_template.uri_template_matcher",
		"typed_config": object{
			"@type":         "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
			"path_template": template,
		},
	}}
}

func stringMatcher(pattern string) object {
	switch form(pattern) {
	case "present":
		return regex(".+")
	case "prefix":
		return object{"prefix": strings.TrimSuffix(pattern, "*")}
	case "suffix":
		return object{"suffix": strings.TrimPrefix(pattern, "*")}
	}
	return object{"exact": pattern}
}

// regex must match the whole.
func regex(expression string) object {
	return object{"safe_regex": object{"regex": expression}}
}
