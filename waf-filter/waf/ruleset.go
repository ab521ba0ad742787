package waf

import (
	"strings"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
)

// ruleSet is a list of directives, compiled.
type ruleSet struct {
	name      string
	waf       coraza.WAF
	look      look
	screening *screening // nil: none of the rules can be left out
	// audited is set while a transaction ends, when the engine finds that it is to be in the audit log.
	audited bool
}

// look is at what the rules of a set look, as far as that decides what has to be read of a stream.
type look struct {
	responses         bool // at the response at all: its phases may be left out otherwise
	responseBodies    bool // at the bodies of responses
	pseudoHeaders     bool // at :path and the others as headers, as coraza-proxy-wasm has them
	forcesRequestBody bool // at REQUEST_BODY of whatever content type
	passesGRPC        bool // and only at the headers of gRPC: see api.conf
	// requestLimit and responseLimit tell that a body past the limit is refused, whatever is in it.
	requestLimit, responseLimit bool
}

// lookAt reads it off the directives. What it does not understand counts as looking.
func lookAt(list []directive) look {
	l := look{requestLimit: true, responseLimit: true} // Coraza's defaults
	detectionOnly := false
	for i := range list {
		d := &list[i]
		switch {
		case d.is("SecRequestBodyLimitAction"):
			l.requestLimit = !strings.EqualFold(d.options(), "ProcessPartial")
		case d.is("SecResponseBodyLimitAction"):
			l.responseLimit = !strings.EqualFold(d.options(), "ProcessPartial")
		case d.is("SecRuleEngine"):
			detectionOnly = strings.EqualFold(d.options(), "DetectionOnly")
		case d.is("SecAuditEngine") && !strings.EqualFold(d.options(), "Off"):
			l.responses = true // its status is in the record, and may decide whether there is one
		}
		l.addRule(d)
	}
	if detectionOnly { // NewWAF changes the actions then
		l.requestLimit, l.responseLimit, l.passesGRPC = false, false, false
	}
	return l
}

// passesGRPCID is the rule of api.conf that has bodies of gRPC handed on.
const passesGRPCID = 95900

func (l *look) addRule(d *directive) {
	text := strings.ToUpper(d.text)
	if strings.Contains(text, "AUDITENGINE") {
		l.responses = true // ctl:auditEngine
	}
	if strings.Contains(text, "FORCEREQUESTBODYVARIABLE") {
		l.forcesRequestBody = true
	}
	for _, name := range []string{":PATH", ":METHOD", ":AUTHORITY", ":SCHEME", `:\`} {
		if strings.Contains(text, "REQUEST_HEADERS") && strings.Contains(text, ":"+name) {
			l.pseudoHeaders = true
		}
	}
	r, ok := readRule(d)
	if !ok {
		return
	}
	l.passesGRPC = l.passesGRPC || r.id == passesGRPCID
	variables := strings.ToUpper(r.variables)
	outbound := strings.Contains(variables, "RESPONSE") || strings.Contains(variables, "RESBODY") ||
		strings.Contains(variables, "STATUS_LINE") || strings.Contains(variables, "OUTBOUND")
	if r.phase == 3 || r.phase == 4 || outbound {
		l.responses = true
	}
	if strings.Contains(variables, "RESPONSE_BODY") || strings.Contains(variables, "RESPONSE_ARGS") ||
		strings.Contains(variables, "RESPONSE_XML") || strings.Contains(variables, "RESPONSE_CONTENT_LENGTH") ||
		strings.Contains(variables, "RESBODY") || strings.Contains(variables, "OUTBOUND") || strings.Contains(variables, "XML") {
		l.responseBodies = true
	}
}

// auditWriter is where the engine writes its audit log. It only notes that there is something to write: the record is ours,
// because the engine's has the secrets of the request in it.
type auditWriter struct{ set *ruleSet }

// nextWriter is the rule set that is being compiled: the engine makes writers by name, for whatever asks for one.
var nextWriter *ruleSet

func init() {
	for _, kind := range []string{"serial", "concurrent", "https", "syslog"} {
		plugins.RegisterAuditLogWriter(kind, func() plugintypes.AuditLogWriter { return auditWriter{nextWriter} })
	}
}

// Init implements plugintypes.AuditLogWriter.
func (auditWriter) Init(plugintypes.AuditLogConfig) error { return nil }

// Close implements plugintypes.AuditLogWriter.
func (auditWriter) Close() error { return nil }

// Write implements plugintypes.AuditLogWriter.
func (w auditWriter) Write(plugintypes.AuditLog) error {
	if w.set != nil {
		w.set.audited = true
	}
	return nil
}
