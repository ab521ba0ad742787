package waf

// ErrorLog gives what the engine would write to an error log: a line for each match of a rule that is to be logged.
func (t *Transaction) ErrorLog() []string {
	var lines []string
	for _, m := range t.tx.MatchedRules() {
		if l, ok := m.(logged); !ok || l.Log() {
			lines = append(lines, m.ErrorLog())
		}
	}
	return lines
}

// IsReusable tells whether Close gives the engine's transaction back.
func (t *Transaction) IsReusable() bool { return t.isReusable() }
