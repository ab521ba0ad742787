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
	return append(r.AppendOperation(r.AppendCaller(r.AppendDecision(b))), '}')
}

// AppendDecision appends the first part of the line: what was decided, and by what.
func (r *Record) AppendDecision(b []byte) []byte {
	b = jsonstrict.AppendMember(b, `{"filter":`, r.Filter)
	b = jsonstrict.AppendMember(b, `,"mode":`, string(r.Mode))
	b = jsonstrict.AppendMember(b, `,"effect":`, string(r.Effect))
	b = jsonstrict.AppendMember(b, `,"policy":`, r.Policy)
	b = jsonstrict.AppendMember(b, `,"rule":`, r.Rule)
	b = jsonstrict.AppendMember(b, `,"reason":`, r.Reason)
	return strconv.AppendUint(append(b, `,"status":`...), uint64(r.Status), 10)
}

// AppendCaller appends the second part: who asked.
func (r *Record) AppendCaller(b []byte) []byte {
	b = jsonstrict.AppendMember(b, `,"principal":`, r.Principal)
	b = jsonstrict.AppendMember(b, `,"requestPrincipal":`, r.RequestPrincipal)
	return jsonstrict.AppendMember(b, `,"remoteIP":`, r.RemoteIP)
}

// AppendOperation appends the third part: what for. All filters say the same of a request.
func (r *Record) AppendOperation(b []byte) []byte {
	b = jsonstrict.AppendMember(b, `,"method":`, r.Method)
	b = jsonstrict.AppendMember(b, `,"host":`, r.Host)
	b = jsonstrict.AppendMember(b, `,"path":`, r.Path)
	return jsonstrict.AppendMember(b, `,"requestId":`, r.RequestID)
}
