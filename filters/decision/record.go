// Package decision is what every filter says of a request: the decision, its record for logs and access
// logs, and the reply to a caller who is refused.
package decision

import (
	"strconv"

	"github.com/palisade-mesh/palisade/filters/jsonstrict"
)

// Effect is what a filter decided.
type Effect string

// The effects.
const (
	Allow Effect = "allow"
	Deny  Effect = "deny"
)

// Mode is whether decisions are enforced.
type Mode string

// The modes.
const (
	Enforce Mode = "enforce"
	DryRun  Mode = "dry-run"
)

// Decision is what an engine says of one request.
type Decision struct {
	Effect Effect
	Status uint32 // HTTP status of the refusal, or that enforcement would have given; 200 when allowed
	Policy string // the policy, provider or limit that decided; "" for the default
	Rule   string // the rule in it, as "rules[0]"; "" if none
	Reason string // the first condition that decided, in words
}

// Record is a decision with the request that it was made on. It has no secrets: no token, signature,
// cookie or query string.
type Record struct {
	Filter string
	Mode   Mode
	Decision
	Principal        string // "example.org/ns/shop/sa/backend"
	RequestPrincipal string // issuer + "/" + subject
	RemoteIP         string
	Method           string
	Host             string
	Path             string // normal form, without query
	RequestID        string
}

// AppendJSON appends the record as one line of JSON.
func (r *Record) AppendJSON(b []byte) []byte {
	b = jsonstrict.AppendString(append(b, `{"filter":`...), r.Filter)
	b = jsonstrict.AppendString(append(b, `,"mode":`...), string(r.Mode))
	b = jsonstrict.AppendString(append(b, `,"effect":`...), string(r.Effect))
	b = jsonstrict.AppendString(append(b, `,"policy":`...), r.Policy)
	b = jsonstrict.AppendString(append(b, `,"rule":`...), r.Rule)
	b = jsonstrict.AppendString(append(b, `,"reason":`...), r.Reason)
	b = strconv.AppendUint(append(b, `,"status":`...), uint64(r.Status), 10)
	b = jsonstrict.AppendString(append(b, `,"principal":`...), r.Principal)
	b = jsonstrict.AppendString(append(b, `,"requestPrincipal":`...), r.RequestPrincipal)
	b = jsonstrict.AppendString(append(b, `,"remoteIP":`...), r.RemoteIP)
	b = jsonstrict.AppendString(append(b, `,"method":`...), r.Method)
	b = jsonstrict.AppendString(append(b, `,"host":`...), r.Host)
	b = jsonstrict.AppendString(append(b, `,"path":`...), r.Path)
	b = jsonstrict.AppendString(append(b, `,"requestId":`...), r.RequestID)
	return append(b, '}')
}

func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return jsonstrict.AppendString(b, value)
}
