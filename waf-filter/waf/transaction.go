package waf

import (
	"strconv"
	"strings"

	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/match"
)

// Step is what is to become of a part of a stream.
type Step uint8

// The steps.
const (
	Pass  Step = iota // hand it on
	Hold              // keep it back: the body that is still to come decides
	Block             // Decision says why
)

// Phase is a part of a stream, with the number that rules have for it.
type Phase uint8

// The phases.
const (
	RequestHeaders Phase = 1 + iota
	RequestBody
	ResponseHeaders
	ResponseBody
	Logging
)

// String is the phase's name in records and metrics: coraza-proxy-wasm's.
func (p Phase) String() string {
	switch p {
	case RequestHeaders:
		return "http_request_headers"
	case RequestBody:
		return "http_request_body"
	case ResponseHeaders:
		return "http_response_headers"
	case ResponseBody:
		return "http_response_body"
	}
	if p == 0 {
		return ""
	}
	return "logging"
}

// Connection is what is known of a request beside its headers.
type Connection struct {
	ClientIP   string
	ClientPort int
	ServerIP   string
	ServerPort int
	Protocol   string // "HTTP/1.1"; "" counts as HTTP/2.0, of which there is no trace in a request
}

// Transaction is the inspection of one request and its answer. What it is given as a string must not change until End;
// bytes need not outlive the call. Once it has said Block it says so to whatever else of the direction comes.
type Transaction struct {
	set *ruleSet
	tx  engine // nil: nothing is inspected

	protocol string
	phase    Phase // that is under way
	inspects struct{ request, response bool }
	framed   bool // the request's body is handed on if it begins as gRPC does
	bodyDone struct{ request, response bool }

	decision decision.Decision
	blocked  Phase // 0: nothing was
	location string
	audited  bool // the engine asks for an audit record
	size     int  // bytes that the engine was given
	seen     seen // by the screening
}

// engine is a transaction of Coraza's, which can do more than its public interface says.
type engine interface {
	types.Transaction
	plugintypes.TransactionState
	DetectionOnlyInterruption() *types.Interruption
}

// Begin begins a transaction with a request's headers, which have its pseudo-headers among them; names of headers that have the
// same one must not be the same memory, see separate. last tells that there is neither body nor trailers.
func (f *Firewall) Begin(t *Transaction, c *Connection, headers [][2]string, last bool) Step {
	*t = Transaction{phase: RequestHeaders, decision: decision.Decision{Effect: decision.Allow, Status: 200}}
	r, err := readHead(headers)
	if err != "" {
		return t.deny(400, "", err)
	}
	if t.set = f.find(match.NormalHost(r.authority)); t.set == nil {
		return f.unmatched(t)
	}
	t.decision.Policy = t.set.name
	tx, ok := t.set.waf.NewTransaction().(engine)
	if !ok {
		return t.fail("its transactions are of an unknown kind")
	}
	t.tx = tx
	if tx.IsRuleEngineOff() {
		return Pass
	}
	t.protocol = c.Protocol
	if t.protocol == "" {
		t.protocol = "HTTP/2.0"
	}
	tx.ProcessConnection(c.ClientIP, c.ClientPort, c.ServerIP, c.ServerPort)
	tx.SetServerName(strings.Trim(withoutPort(match.NormalHost(r.authority)), "[]"))
	tx.ProcessURI(r.target, r.method, t.protocol)
	if r.isChunked(t.protocol, last) {
		tx.AddRequestHeader("transfer-encoding", "chunked")
	}
	t.addRequestHeaders(headers, &r)
	t.enter(RequestHeaders)
	if step := t.interruption(tx.ProcessRequestHeaders(), nil); step == Block {
		return Block
	}
	t.inspects.request = !last && t.needsRequestBody(&r)
	if t.inspects.request {
		return Hold
	}
	t.framed = r.grpc && t.set.look.passesGRPC && !last
	return t.endRequestBody()
}

// enter begins a part of the stream. What is known of the phase of another transaction must not count for it.
func (t *Transaction) enter(p Phase) {
	t.phase = p
	t.set.screening.begin(&t.seen)
}

func (f *Firewall) unmatched(t *Transaction) Step {
	if f.config.Unmatched == decision.Allow {
		t.decision.Reason = "no rule set is for this authority, and such requests are let through"
		return Pass
	}
	return t.deny(403, "", "no rule set is for this authority")
}

func (t *Transaction) addRequestHeaders(headers [][2]string, r *head) {
	if r.hosts == 0 && r.authorities > 0 {
		t.tx.AddRequestHeader("host", r.authority) // rules look for it under this name, as HTTP/1.1 has it
	}
	for i := range headers {
		if h := &headers[i]; h[0] != "" && (h[0][0] != ':' || t.set.look.pseudoHeaders) {
			t.tx.AddRequestHeader(h[0], h[1])
		}
		t.size += len(headers[i][0]) + len(headers[i][1])
	}
	v := t.tx.Variables()
	if len(v.ArgsGet().Get("")) > 1 { // those with a name have it for themselves
		separate(v.ArgsGet())
	}
	if separate(v.RequestCookies()) > maxCookies {
		set(v.ArgumentsLimitReached(), "1")
	}
}

// maxCookies is how many cookies count as too many arguments, which SecArgumentsLimit does not: all rules look at each of them,
// and the 60 KiB of headers that Envoy takes may have 30,000. It is the same number.
const maxCookies = 1000

// needsRequestBody tells whether what the body has in it can change the decision. The body of a request that is a
// conversation is not waited for, because it may only end after the answer has begun.
func (t *Transaction) needsRequestBody(r *head) bool {
	if t.tx.IsRuleEngineOff() || !t.tx.IsRequestBodyAccessible() || r.isTunnel() {
		return false
	}
	if t.tx.Variables().RequestBodyProcessor().Get() != "" || t.set.look.forcesRequestBody {
		return true
	}
	return t.set.look.requestLimit && !r.grpc
}

// RequestBody takes the next part of the body.
func (t *Transaction) RequestBody(chunk []byte, last bool) Step {
	switch {
	case t.blocked != 0 && t.blocked <= RequestBody:
		return Block
	case t.framed && len(chunk) > 0:
		t.framed = false
		if !beginsFrame(chunk[0]) {
			t.phase = RequestBody
			return t.deny(400, "", "the body is not of gRPC, as its type says, and was not inspected")
		}
		return Pass
	case t.tx == nil || t.bodyDone.request || !t.inspects.request:
		return Pass
	}
	t.enter(RequestBody)
	if len(chunk) > 0 {
		t.size += len(chunk)
		interruption, written, err := t.tx.WriteRequestBody(chunk)
		if step := t.interruption(interruption, err); step == Block {
			return Block
		}
		if written < len(chunk) { // the limit is reached, and the phase was evaluated
			t.bodyDone.request = true
			return Pass
		}
	}
	if last {
		return t.endRequestBody()
	}
	return Hold
}

// beginsFrame tells whether a body may be of gRPC: a message begins with 0, or with 1 if it is compressed, in gRPC-Web with 128 more if
// it is of trailers, and in application/grpc-web-text all is in base64. No JSON, XML or multipart does, which an application may
// read whatever its type.
func beginsFrame(first byte) bool { return first&0x7e == 0 || first == 'A' || first == 'g' }

// RequestTrailers tells that the body is over. Trailers themselves are no variables of rules.
func (t *Transaction) RequestTrailers() Step { return t.RequestBody(nil, true) }

func (t *Transaction) endRequestBody() Step {
	t.enter(RequestBody)
	t.bodyDone.request = true
	return t.interruption(t.tx.ProcessRequestBody())
}

// ResponseHeaders takes the headers of the answer, with :status. last tells that there is neither body nor trailers.
// The answer to a request that was blocked is the proxy's own, and passes.
func (t *Transaction) ResponseHeaders(headers [][2]string, last bool) Step {
	if t.tx == nil || t.blocked != 0 || t.tx.IsRuleEngineOff() {
		return Pass
	}
	if !t.bodyDone.request { // an answer that does not wait for the request's end
		if step := t.endRequestBody(); step == Block {
			return Block
		}
	}
	if !t.set.look.responses {
		return Pass
	}
	t.enter(ResponseHeaders)
	status := 0
	for i := range headers {
		if headers[i][0] == ":status" {
			status, _ = strconv.Atoi(headers[i][1])
			continue
		}
		t.tx.AddResponseHeader(headers[i][0], headers[i][1])
	}
	if step := t.interruption(t.tx.ProcessResponseHeaders(status, t.protocol), nil); step == Block {
		return Block
	}
	t.inspects.response = !last && status != 101 && t.needsResponseBody()
	if t.inspects.response {
		return Hold
	}
	return t.endResponseBody()
}

func (t *Transaction) needsResponseBody() bool {
	return (t.set.look.responseBodies || t.set.look.responseLimit) && !t.tx.IsRuleEngineOff() &&
		t.tx.IsResponseBodyAccessible() && t.tx.IsResponseBodyProcessable()
}

// ResponseBody takes the next part of the answer's body.
func (t *Transaction) ResponseBody(chunk []byte, last bool) Step {
	switch {
	case t.blocked == ResponseHeaders || t.blocked == ResponseBody:
		return Block
	case t.tx == nil || t.blocked != 0 || t.bodyDone.response || !t.inspects.response:
		return Pass
	}
	t.enter(ResponseBody)
	if len(chunk) > 0 {
		t.size += len(chunk)
		interruption, written, err := t.tx.WriteResponseBody(chunk)
		if step := t.interruption(interruption, err); step == Block {
			return Block
		}
		if written < len(chunk) {
			t.bodyDone.response = true
			return Pass
		}
	}
	if last {
		return t.endResponseBody()
	}
	return Hold
}

// ResponseTrailers tells that the answer's body is over.
func (t *Transaction) ResponseTrailers() Step { return t.ResponseBody(nil, true) }

func (t *Transaction) endResponseBody() Step {
	t.enter(ResponseBody)
	t.bodyDone.response = true
	return t.interruption(t.tx.ProcessResponseBody())
}

// Decision is what was decided so far. Its rule is the id of the rule that blocks, its policy the name of the rule set.
func (t *Transaction) Decision() decision.Decision { return t.decision }

// Blocked is the phase in which the request was blocked, 0 if it was not.
func (t *Transaction) Blocked() Phase { return t.blocked }

// Location is where a rule redirects to; "" if none does.
func (t *Transaction) Location() string { return t.location }

// Inspected tells whether a rule set has been looking: if not there is nothing to call but End.
func (t *Transaction) Inspected() bool { return t.tx != nil }

// interruption takes what the engine says after a part. What it could not do blocks.
func (t *Transaction) interruption(i *types.Interruption, err error) Step {
	switch {
	case err != nil:
		return t.fail(err.Error())
	case i == nil:
		return Pass
	}
	status := uint32(403)
	if i.Status >= 200 && i.Status <= 599 {
		status = uint32(i.Status)
	}
	if i.Action == "redirect" {
		t.location = i.Data
	}
	if i.RuleID == 0 {
		switch i.Status {
		case 413:
			return t.deny(status, "", "the request's body is larger than SecRequestBodyLimit")
		case 500:
			return t.deny(status, "", "the answer's body is larger than SecResponseBodyLimit")
		}
	}
	return t.deny(status, strconv.Itoa(i.RuleID), t.explain(i.RuleID))
}

// fail blocks because the engine could not tell.
func (t *Transaction) fail(why string) Step { return t.deny(503, "", "the engine failed: "+why) }

// Fail blocks a part of the stream that could not be had.
func (t *Transaction) Fail(p Phase, why string) Step {
	t.phase = p
	return t.fail(why)
}

func (t *Transaction) deny(status uint32, rule, reason string) Step {
	policy := ""
	if t.set != nil {
		policy = t.set.name
	}
	t.decision = decision.Decision{Effect: decision.Deny, Status: status, Policy: policy, Rule: rule, Reason: reason}
	t.blocked = t.phase
	return Block
}

// End evaluates the rules of the logging phase. Hits and AppendAudit are to be asked between End and Close.
func (t *Transaction) End() {
	if t.tx == nil {
		return
	}
	t.set.audited = false
	t.tx.ProcessLogging()
	t.audited = t.set.audited
}

// Close frees the engine's memory of the transaction.
func (t *Transaction) Close() {
	if t.tx != nil && t.isReusable() {
		_ = t.tx.Close() // removes files, of which there are none
	}
	t.tx = nil
}

// How much a transaction may have held that is used for another. Its maps and buffers never shrink, and the engine walks through
// the maps in each phase: after one request with a thousand arguments all others would take as long.
const (
	reusableSize      = 16 << 10
	reusableArguments = 64
)

// isReusable tells whether the engine may have the transaction back, to save the making of a new one. Otherwise it is garbage.
func (t *Transaction) isReusable() bool {
	return t.size <= reusableSize && len(t.tx.Variables().Args().FindAll()) <= reusableArguments
}
