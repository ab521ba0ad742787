package waf

import (
	"fmt"
	"io"

	"github.com/corazawaf/coraza/v3/debuglog"
)

// progress counts the directives that the engine has begun to read. Its errors do not say which one they are about, but
// it tells its debug log of each.
type progress struct {
	directives int
	done       bool // all are read: nothing is logged of requests, whose secrets would be in it
}

// beginsDirective is what the engine logs of each directive.
const beginsDirective = "Parsing directive"

// progressLogger is the engine's debug log. Whatever SecDebugLogLevel says, it writes nothing.
type progressLogger struct{ *progress }

var _ debuglog.Logger = progressLogger{}

func (l progressLogger) WithOutput(io.Writer) debuglog.Logger          { return l }
func (l progressLogger) WithLevel(debuglog.Level) debuglog.Logger      { return l }
func (l progressLogger) With(...debuglog.ContextField) debuglog.Logger { return l }
func (l progressLogger) Trace() debuglog.Event                         { return silent{} }
func (l progressLogger) Info() debuglog.Event                          { return silent{} }
func (l progressLogger) Warn() debuglog.Event                          { return silent{} }
func (l progressLogger) Error() debuglog.Event                         { return silent{} }
func (l progressLogger) Debug() debuglog.Event {
	if l.done {
		return silent{}
	}
	return counted{progress: l.progress}
}

// silent is an event that is not logged.
type silent struct{}

func (silent) Msg(string)                                     {}
func (e silent) Str(string, string) debuglog.Event            { return e }
func (e silent) Err(error) debuglog.Event                     { return e }
func (e silent) Bool(string, bool) debuglog.Event             { return e }
func (e silent) Int(string, int) debuglog.Event               { return e }
func (e silent) Uint(string, uint) debuglog.Event             { return e }
func (e silent) Stringer(string, fmt.Stringer) debuglog.Event { return e }
func (silent) IsEnabled() bool                                { return false }

// counted is an event that may be the beginning of a directive.
type counted struct {
	silent
	progress *progress
}

func (e counted) Str(string, string) debuglog.Event            { return e }
func (e counted) Err(error) debuglog.Event                     { return e }
func (e counted) Bool(string, bool) debuglog.Event             { return e }
func (e counted) Int(string, int) debuglog.Event               { return e }
func (e counted) Uint(string, uint) debuglog.Event             { return e }
func (e counted) Stringer(string, fmt.Stringer) debuglog.Event { return e }
func (e counted) Msg(message string) {
	if message == beginsDirective {
		e.progress.directives++
	}
}
