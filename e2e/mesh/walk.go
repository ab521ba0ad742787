package mesh

import (
	"context"

	"github.com/palisade-mesh/palisade/e2e/idp"
)

// Who decides over a request.
const (
	ByTLS       = "tls"              // the handshake, before there is a request
	ByJWT       = "jwt-filter"       // the user is not proven
	ByRateLimit = "ratelimit-filter" // the user has had enough
	ByAuthz     = "authz-filter"     // a policy allows it, or none does
)

// Outcome is what became of a request.
type Outcome struct {
	// Effect is "allow" or "deny".
	Effect string
	// By is who decided, one of the By constants.
	By string
	// Status of the reply; 0 if there was none.
	Status int
}

// Step is one request of the walk through the mesh, and what must become of
// it.
type Step struct {
	// Name is short and unique.
	Name string
	// Story says what happens here, to somebody who has not read the code.
	Story string
	// As is the workload whose certificate the caller shows; None and Stale
	// are special.
	As string
	// To is the workload that is called.
	To string
	// Decider is the workload whose Envoy decides. Empty means To.
	Decider      string
	Method, Path string
	// Before is how many requests like it come before.
	Before int
	// Token is nil for a request without one.
	Token func(context.Context, *Mesh) (string, error)
	Want  Outcome
}

// Callers that are no workload.
const (
	None  = ""      // shows no certificate
	Stale = "stale" // shows a certificate of the backend that has expired
)

// Walk is the story that the demo tells: first what works, then what an
// attacker would try.
func Walk() []Step {
	allow := Outcome{Effect: "allow", By: ByAuthz, Status: 200}
	forbidden := Outcome{Effect: "deny", By: ByAuthz, Status: 403}
	unauthorized := Outcome{Effect: "deny", By: ByJWT, Status: 401}
	tooMany := Outcome{Effect: "deny", By: ByRateLimit, Status: 429}
	noConnection := Outcome{Effect: "deny", By: ByTLS}
	const record = "/records/42"
	expired := Alice("read")
	expired.ExpiredFor = 600
	foreign := Alice("read")
	foreign.Audience = "billing"
	bob := Alice("read")
	bob.Subject = "bob"

	return []Step{
		{
			Name: "end to end", Story: "alice, who may read, asks the gateway; it goes through all four hops",
			To: Gateway, Decider: Database, Method: "GET", Path: record, Token: issued(Alice("profile read")), Want: allow,
		},
		{
			Name: "end to end, no read claim", Story: "alice without the read claim takes the same way; the database stops her",
			To: Gateway, Decider: Database, Method: "GET", Path: record, Token: issued(Alice("profile")), Want: forbidden,
		},
		{
			Name: "end to end, no token", Story: "an anonymous visitor gets no further than the gateway",
			To: Gateway, Method: "GET", Path: record, Want: unauthorized,
		},
		{
			Name: "too many requests", Story: "bob, who may read, too, has asked five times within a second; the gateway has him wait",
			To: Gateway, Method: "GET", Path: record, Token: issued(bob), Before: 5, Want: tooMany,
		},
		{
			Name: "the rule", Story: "backend, for a user with the read claim",
			As: Backend, To: Database, Method: "GET", Path: record, Token: issued(Alice("read")), Want: allow,
		},
		{
			Name: "no read claim", Story: "backend, for a user with other claims only",
			As: Backend, To: Database, Method: "GET", Path: record, Token: issued(Alice("profile write")), Want: forbidden,
		},
		{
			Name: "no token", Story: "backend was taken over, and there is no user",
			As: Backend, To: Database, Method: "GET", Path: record, Want: unauthorized,
		},
		{
			Name: "expired token", Story: "backend replays a token of ten minutes ago",
			As: Backend, To: Database, Method: "GET", Path: record, Token: issued(expired), Want: unauthorized,
		},
		{
			Name: "forged token", Story: "the same claims and key ID, signed by an attacker's key",
			As: Backend, To: Database, Method: "GET", Path: record, Token: made(forgedToken, Alice("read")), Want: unauthorized,
		},
		{
			Name: "alg none", Story: "the same claims, with \"alg\": \"none\" and no signature",
			As: Backend, To: Database, Method: "GET", Path: record, Token: made(unsecuredToken, Alice("read")), Want: unauthorized,
		},
		{
			Name: "wrong audience", Story: "a good token that was issued for another service",
			As: Backend, To: Database, Method: "GET", Path: record, Token: issued(foreign), Want: unauthorized,
		},
		{
			Name: "stolen token", Story: "frontend calls with alice's valid token",
			As: Frontend, To: Database, Method: "GET", Path: record, Token: issued(Alice("read")), Want: forbidden,
		},
		{
			Name: "another method", Story: "backend tries to delete what it may only read",
			As: Backend, To: Database, Method: "DELETE", Path: record, Token: issued(Alice("read")), Want: forbidden,
		},
		{
			Name: "path trick", Story: "an escaped ../ dressed up as one record",
			As: Backend, To: Database, Method: "GET", Path: "/records/..%2fadmin", Token: issued(Alice("read")), Want: forbidden,
		},
		{
			Name: "expired certificate", Story: "backend's certificate of yesterday, with a valid token",
			As: Stale, To: Database, Method: "GET", Path: record, Token: issued(Alice("read")), Want: noConnection,
		},
		{
			Name: "no certificate", Story: "nobody in particular, with a valid token",
			As: None, To: Database, Method: "GET", Path: record, Token: issued(Alice("read")), Want: noConnection,
		},
		{
			Name: "new keys", Story: "the identity provider changes its keys; each proxy fetches them when it meets the first new token",
			To: Gateway, Decider: Database, Method: "GET", Path: record, Token: afterRotation(issued(Alice("read"))), Want: allow,
		},
	}
}

// afterRotation is a token that is signed with new keys.
func afterRotation(token func(context.Context, *Mesh) (string, error)) func(context.Context, *Mesh) (string, error) {
	return func(ctx context.Context, m *Mesh) (string, error) {
		if err := m.rotateKeys(ctx); err != nil {
			return "", err
		}
		return token(ctx, m)
	}
}

// issued is a token that the identity provider issues when the step is taken.
func issued(request idp.TokenRequest) func(context.Context, *Mesh) (string, error) {
	return func(ctx context.Context, m *Mesh) (string, error) { return m.Token(ctx, request) }
}

// made is a token that an attacker makes.
func made(make func(idp.TokenRequest) (string, error), request idp.TokenRequest) func(context.Context, *Mesh) (string, error) {
	return func(context.Context, *Mesh) (string, error) { return make(request) }
}
