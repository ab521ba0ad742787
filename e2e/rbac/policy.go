// Package rbac says the same policies twice, to authz-filter and to Envoy's
// own rbac filters, and makes up policies and requests on which the two must
// agree.
package rbac

import "encoding/json"

// Set is one configuration. As JSON it is authz-filter's; Native gives Envoy's.
type Set struct {
	DefaultAction string   `json:"defaultAction,omitempty"`
	TrustDomains  []string `json:"trustDomains,omitempty"`
	Policies      []Policy `json:"policies"`
	Response      Response `json:"response"`
	Audit         Audit    `json:"audit"`
}

// Response has refusals name the policy.
type Response struct {
	Explain bool `json:"explain"`
}

// Audit keeps decisions out of the log.
type Audit struct {
	Log string `json:"log"`
}

// Policy is one named policy.
type Policy struct {
	Name   string `json:"name"`
	Action string `json:"action"`
	DryRun bool   `json:"dryRun,omitempty"`
	Rules  []Rule `json:"rules,omitempty"`
}

// Rule matches if one of From, one of To and all of When do.
type Rule struct {
	From []From      `json:"from,omitempty"`
	To   []To        `json:"to,omitempty"`
	When []Condition `json:"when,omitempty"`
}

// From is an element of Rule.From.
type From struct {
	Source Source `json:"source"`
}

// To is an element of Rule.To.
type To struct {
	Operation Operation `json:"operation"`
}

// Source is who asks.
type Source struct {
	Principals         []string `json:"principals,omitempty"`
	NotPrincipals      []string `json:"notPrincipals,omitempty"`
	Namespaces         []string `json:"namespaces,omitempty"`
	NotNamespaces      []string `json:"notNamespaces,omitempty"`
	ServiceAccounts    []string `json:"serviceAccounts,omitempty"`
	NotServiceAccounts []string `json:"notServiceAccounts,omitempty"`
	TrustDomains       []string `json:"trustDomains,omitempty"`
	NotTrustDomains    []string `json:"notTrustDomains,omitempty"`
	IPBlocks           []string `json:"ipBlocks,omitempty"`
	NotIPBlocks        []string `json:"notIpBlocks,omitempty"`
}

// Operation is what is asked for.
type Operation struct {
	Hosts      []string `json:"hosts,omitempty"`
	NotHosts   []string `json:"notHosts,omitempty"`
	Ports      []string `json:"ports,omitempty"`
	NotPorts   []string `json:"notPorts,omitempty"`
	Methods    []string `json:"methods,omitempty"`
	NotMethods []string `json:"notMethods,omitempty"`
	Paths      []string `json:"paths,omitempty"`
	NotPaths   []string `json:"notPaths,omitempty"`
}

// Condition is a key with values that it must, or must not, have.
type Condition struct {
	Key       string   `json:"key"`
	Values    []string `json:"values,omitempty"`
	NotValues []string `json:"notValues,omitempty"`
}

// String is authz-filter's configuration.
func (s *Set) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings, lists and booleans only
	}
	return string(text)
}
