package main

import (
	"encoding/json"
	"fmt"
)

// service is what one policy allows: to read and write the records of one service, and to ask for its health.
type service struct {
	Policy string
	Host   string
	Path   string // "/svc-7", below which its paths are
}

// hosts is among how many the services of numbered are spread.
const hosts = 50

// numbered are n services. Each has a path of its own; hosts serve several.
func numbered(n int) []service {
	services := make([]service, n)
	for i := range services {
		services[i] = newService(i, i%hosts, i)
	}
	return services
}

// cross are services of which neither the host nor the path tells one from another: each host has all the paths.
// An index on either alone leaves many candidates.
func cross(hosts, paths int) []service {
	services := make([]service, hosts*paths)
	for i := range services {
		services[i] = newService(i, i/paths, i%paths)
	}
	return services
}

func newService(i, host, path int) service {
	return service{
		// Native rbac tries policies in the order of their names.
		Policy: fmt.Sprintf("policy-%06d", i),
		Host:   fmt.Sprintf("svc-%d.example.org", host),
		Path:   fmt.Sprintf("/svc-%d", path),
	}
}

var methods = []string{"GET", "POST"}

// last is a request that the last of the policies allows, and no other.
func last(services []service) request {
	s := services[len(services)-1]
	return request{Host: s.Host, Path: s.Path + "/records/42"}
}

// denied is a request to the last service that no policy allows.
func denied(services []service) request {
	s := services[len(services)-1]
	return request{Host: s.Host, Path: s.Path + "/secrets/42"}
}

// authz gives the services' policies to authz-filter.
func authz(services []service) filter {
	return wasm("authz-filter", func() string { return authzConfig(services) })
}

func authzConfig(services []service) string {
	policies := make(list, 0, len(services))
	for _, s := range services {
		policies = append(policies, object{"name": s.Policy, "rules": list{object{"to": list{object{"operation": object{
			"methods": methods, "hosts": []string{s.Host}, "paths": []string{s.Path + "/records/{*}", s.Path + "/health"},
		}}}}}})
	}
	return compact(object{"policies": policies})
}

// rbac gives the same policies to Envoy's own filter, in the form that Istio gives them.
func rbac(services []service) filter {
	return native("rbac", "envoy.extensions.filters.http.rbac.v3.RBAC", func() object { return rbacConfig(services) })
}

func rbacConfig(services []service) object {
	policies := object{}
	for _, s := range services {
		policies[s.Policy] = object{
			"principals": list{object{"any": true}},
			"permissions": list{object{"and_rules": object{"rules": list{
				anyOf(header(":method", object{"exact": "GET"}), header(":method", object{"exact": "POST"})),
				header(":authority", object{"exact": s.Host, "ignore_case": true}),
				anyOf(
					object{"uri_template": typed("path", "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
						object{"path_template": s.Path + "/records/*"})},
					object{"url_path": object{"path": object{"exact": s.Path + "/health"}}},
				),
			}}}},
		}
	}
	return object{"rules": object{"action": "ALLOW", "policies": policies}}
}

func anyOf(rules ...any) object { return object{"or_rules": object{"rules": rules}} }

func header(name string, match object) object {
	return object{"header": object{"name": name, "string_match": match}}
}

// compact is a document as JSON. What this package makes up can always be written.
func compact(document object) string {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return string(text)
}
