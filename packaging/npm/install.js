// Puts the program itself in the place of bin/solobot, so that nothing has to look for it. Where that cannot be, bin/solobot
// stays as it is: it becomes the program.
'use strict'

const fs = require('fs')
const path = require('path')

// Other installers write a start script of their own, which has a shell read bin/solobot.
if ((process.env.npm_config_user_agent || '').startsWith('npm/')) {
    const file = path.join(__dirname, 'bin', 'solobot')
    const beside = `${file}.new`
    try {
        const program = require.resolve(`solobot-cli-linux-${process.arch}/bin/solobot`)
        fs.rmSync(beside, { force: true })
        try {
            fs.linkSync(program, beside)
        } catch {
            fs.copyFileSync(program, beside)
            fs.chmodSync(beside, 0o755)
        }
        fs.renameSync(beside, file)
    } catch (error) {
        console.log(`bin/solobot stays a script: ${error.message}`)
    }
}
