Register-ArgumentCompleter -Native -CommandName 'solobot', 'solobot.exe' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # The words before the cursor, as they were typed. Nothing in them is run.
    $words = @(foreach ($element in $commandAst.CommandElements) {
        if ($element.Extent.EndOffset -lt $cursorPosition) {
            $isString = $element -is [System.Management.Automation.Language.StringConstantExpressionAst]
            if ($isString) { $element.Value } else { $element.Extent.Text }
        }
    })
    # Windows PowerShell 5.1 passes no empty words to programs: two quotes stand for one.
    $words += if ($wordToComplete) { $wordToComplete -replace '["'']', '' } else { '""' }

    $before = $env:SOLOBOT_COMPLETE
    $encoding = [Console]::OutputEncoding
    try {
        $env:SOLOBOT_COMPLETE = 'powershell'
        # Without a console (the ISE) it cannot be set.
        try { [Console]::OutputEncoding = New-Object System.Text.UTF8Encoding $false } catch { }
        $lines = & solobot '--' @words 2>$null
    } finally {
        $env:SOLOBOT_COMPLETE = $before
        try { [Console]::OutputEncoding = $encoding } catch { }
    }
    foreach ($line in $lines) {
        $value, $help = $line -split "`t", 2
        if (-not $help) { $help = $value }
        $text = if ($value -match '[^\w./\\:=+-]') { "'" + $value.Replace("'", "''") + "'" } else { $value }
        New-Object System.Management.Automation.CompletionResult $text, $value, 'ParameterValue', $help
    }
}
