package decision

import "github.com/palisade-mesh/palisade/filters/config"

// DecodeMode reads `mode`.
func DecodeMode(n config.Node) Mode {
	return Mode(n.OneOf(string(Enforce), string(Enforce), string(DryRun)))
}

// Audit is which decisions are logged.
type Audit string

// The values of audit.log.
const (
	AuditAll    Audit = "all"
	AuditDenied Audit = "denied"
	AuditOff    Audit = "off"
)

// DecodeAudit reads `audit: {log}`.
func DecodeAudit(n config.Node) Audit {
	return Audit(n.Object("log").Get("log").OneOf(string(AuditDenied), string(AuditAll), string(AuditDenied), string(AuditOff)))
}

// Logs tells whether a decision of this effect is logged.
func (a Audit) Logs(e Effect) bool { return a == AuditAll || a == AuditDenied && e == Deny }
