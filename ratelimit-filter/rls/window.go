package rls

import "time"

const second = int64(time.Second)

// OverUntil is until when a proxy may refuse on its own that sent a question and was told, at these times, that a limit is
// used up whose window has so much left; 0 if it has to ask. All are in nanoseconds, times since the epoch by the
// proxy's clock.
//
// The service says what is left in whole seconds, rounded up; and it reads its clock after it has counted, so that at a turn
// it may speak of the window after the one that it means. So it is the end of the window by the proxy's clock, if all agree
// on the window.
func OverUntil(sent, told, reset, window int64) int64 {
	end := (told/window + 1) * window
	rest := end - told
	switch {
	case sent/window != told/window, rest > reset, rest <= reset-second:
		return 0
	case reset == window: // maybe it means the window before
		return min(told+second, end)
	}
	return end
}
