package mesh

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/palisade-mesh/palisade/e2e/envoy"
	"github.com/palisade-mesh/palisade/e2e/pki"
)

// Result is what became of a step.
type Result struct {
	Step
	Got Outcome
	// Reason is the decision record's own explanation, or the TLS alert.
	Reason string
	// Policy that decided, if one did.
	Policy string
	// Problems say where the outcome is not the wanted one.
	Problems []string
}

// recordTimeout is how long an access log line may take to appear.
const recordTimeout = 2 * time.Second

// Take makes a step. The outcome is read from the reply and from the decision
// record of the Envoy that decided; they must tell the same story.
func (m *Mesh) Take(ctx context.Context, step Step) (*Result, error) {
	result := &Result{Step: step}
	for range step.Before {
		if _, err := m.send(ctx, step, rand.Text()); err != nil {
			return nil, fmt.Errorf("mesh: before step %q: %w", step.Name, err)
		}
	}
	requestID := rand.Text()
	got, err := m.send(ctx, step, requestID)
	if err != nil {
		alert, ok := m.tlsAlert(ctx, step)
		if !ok {
			return nil, fmt.Errorf("mesh: step %q: %w", step.Name, err)
		}
		result.Got = Outcome{Effect: "deny", By: ByTLS}
		result.Reason = alert
		result.compare()
		return result, nil
	}
	result.Got.Status = got.status
	if err := result.readRecord(ctx, m, requestID); err != nil {
		result.problem("%v", err)
	}
	result.compare()
	result.checkReply(got)
	return result, nil
}

// answer is what the caller got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (m *Mesh) send(ctx context.Context, step Step, requestID string) (*answer, error) {
	tlsConfig, err := m.clientTLS(step)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: tlsConfig, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(ctx, step.Method, "https://"+m.Address(step.To)+step.Path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("x-request-id", requestID)
	if step.Token != nil {
		token, err := step.Token(ctx, m)
		if err != nil {
			return nil, err
		}
		request.Header.Set("authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &answer{response.StatusCode, response.Header, body}, err
}

func (m *Mesh) clientTLS(step Step) (*tls.Config, error) {
	switch {
	case step.To == Gateway:
		return m.InternetTLS(), nil
	case step.As == Stale:
		pair, err := m.CA.Issue(pki.WithIDs(ID(Backend)), pki.Expired())
		if err != nil {
			return nil, err
		}
		return m.CA.ClientConfig(pair, ID(step.To)), nil
	default:
		return m.ClientTLS(step.As, step.To), nil
	}
}

// tlsAlert tells whether the server ends the handshake with an alert. In TLS
// 1.3 a client has finished its part by the time the server looks at its
// certificate: one that writes its request meanwhile may see a broken pipe
// instead of the alert, so this one only reads.
func (m *Mesh) tlsAlert(ctx context.Context, step Step) (string, bool) {
	config, err := m.clientTLS(step)
	if err != nil {
		return "", false
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", m.Address(step.To))
	if err == nil {
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(recordTimeout))
		_, err = conn.Read(make([]byte, 1))
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "remote error" {
		return operation.Err.Error(), true
	}
	return "", false
}

// readRecord finds out who decided, and why.
func (r *Result) readRecord(ctx context.Context, m *Mesh, requestID string) error {
	decider := r.Decider
	if decider == "" {
		decider = r.To
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	entry, err := m.Envoy(decider).Entry(ctx, requestID)
	if err != nil {
		return fmt.Errorf("%s has no record of the request: %w", decider, err)
	}
	decision, by := deciding(entry)
	if decision == nil {
		return fmt.Errorf("no filter at %s left a decision record (Envoy says: %s)", decider, entry.Details)
	}
	r.Got.Effect, r.Got.By = decision.Effect, by
	r.Reason, r.Policy = decision.Reason, decision.Policy
	if decision.Effect == "deny" && decision.Status != r.Got.Status {
		r.problem("the record says status %d", decision.Status)
	}
	return nil
}

// deciding picks the record that settled a request: that of the filter that
// denied, else that of the last one.
func deciding(entry *envoy.Entry) (*envoy.Decision, string) {
	switch {
	case entry.JWT != nil && entry.JWT.Effect != "allow":
		return entry.JWT, ByJWT
	case entry.RateLimit != nil && entry.RateLimit.Effect != "allow":
		return entry.RateLimit, ByRateLimit
	case entry.Authz != nil:
		return entry.Authz, ByAuthz
	}
	return entry.JWT, ByJWT
}

func (r *Result) compare() {
	if r.Got != r.Want {
		r.problem("want %s, got %s", r.Want, r.Got)
	}
}

// checkReply looks at what the caller sees beside the status.
func (r *Result) checkReply(got *answer) {
	if r.Want.Effect == "allow" {
		var reply struct {
			ServedBy string `json:"served_by"`
		}
		if err := json.Unmarshal(got.body, &reply); err != nil || reply.ServedBy != Database {
			r.problem("the reply is not the database's: %s", got.body)
		}
		return
	}
	if kind := got.header.Get("content-type"); kind != "application/problem+json" {
		r.problem("the reply's content type is %q, want application/problem+json", kind)
	}
	if r.Want.Status == http.StatusTooManyRequests && got.header.Get("retry-after") == "" {
		r.problem("the reply does not say when to come again")
	}
	if r.Want.Status != http.StatusUnauthorized {
		return
	}
	// RFC 6750 section 3.1: a request without a token is told how to
	// authenticate, and gets no error code.
	challenge := got.header.Get("www-authenticate")
	invalid := strings.Contains(challenge, `error="invalid_token"`)
	if !strings.HasPrefix(challenge, `Bearer realm="`) || invalid != (r.Token != nil) {
		r.problem("the challenge is %q", challenge)
	}
}

func (r *Result) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// OK tells whether the step ended as it must.
func (r *Result) OK() bool { return len(r.Problems) == 0 }

// String is the outcome in a few words: "deny 401 jwt-filter".
func (o Outcome) String() string {
	if o.Effect == "" {
		return fmt.Sprintf("no decision, %d", o.Status)
	}
	if o.Status == 0 {
		return fmt.Sprintf("%s --- %s", o.Effect, o.By)
	}
	return fmt.Sprintf("%s %d %s", o.Effect, o.Status, o.By)
}
